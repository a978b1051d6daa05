"""Saved runs: what every system found in a data set, and under which circumstances, so that comparing needs no model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hybridner.errors import DataError
from hybridner.evaluation.slices import seen_boundaries
from hybridner.spans import Record, Span

FORMAT = "hybridner run 1"
#: What the names of systems begin with: combining strategies, and hybrids with an LLM. Members stand under their own names.
STRATEGY, HYBRID = "strategy:", "hybrid:"

Spans = tuple[tuple[Span, ...], ...]


@dataclass(frozen=True)
class Circumstances:
    """What has to stand beside every figure.

    Attributes:
        data, split: what the labelled texts are called.
        decoding: "flat" or "nested".
        encoder: of the members, with what was changed about it.
        seed: of the training.
        fold: which fold was held out, in cross-validation.
        train_size: number of training texts.
        hardware: what it ran on.
        versions: of the libraries.
    """

    data: str
    split: str
    decoding: str
    encoder: str = "unknown"
    seed: int | None = None
    fold: int | None = None
    train_size: int | None = None
    hardware: str = "unknown"
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """Predictions of several systems on the same N texts.

    Attributes:
        about: the circumstances.
        texts: a hash of the texts; runs that share it can be compared text by text.
        gold: N tuples of gold spans.
        systems: N tuples of predicted spans for each system: "NAME" a member, "strategy:NAME" a combining strategy,
            "hybrid:NAME" the ensemble with an LLM; any other prefix is another way of combining.
        seen: for each text the [start, end) of those of all these spans whose word is an entity of the training data; None when
            the training data were not at hand.
    """

    about: Circumstances
    texts: str
    gold: Spans
    systems: dict[str, Spans]
    seen: tuple[frozenset[tuple[int, int]], ...] | None = None

    @property
    def entities(self) -> int:
        return sum(map(len, self.gold))

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "about": {**asdict(self.about), "sentences": len(self.gold), "entities": self.entities},
            "texts": self.texts,
            "gold": _plain(self.gold),
            "seen": None if self.seen is None else [[list(stretch) for stretch in sorted(known)] for known in self.seen],
            "systems": {name: _plain(spans) for name, spans in self.systems.items()},
        }

    def save(self, path: str | Path) -> None:
        """Write the run as JSON; it appears under its name only when it is whole."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_text(json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
        unfinished.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read and check what `save` wrote.

        Raises:
            DataError: no such file, no JSON, or anything in it that is not as it should be; says which field.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror or error}", str(path)) from error
        except ValueError as error:
            raise DataError(f"not JSON in UTF-8: {error}; `hybridner evaluate --save` writes runs", str(path)) from error
        return cls.from_dict(data, str(path))

    @classmethod
    def from_dict(cls, data: Any, where: str = "run") -> Run:
        """From what `to_dict` gave.

        Raises:
            DataError: see `load`.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise DataError(f"holds no saved run ({FORMAT!r}); `hybridner evaluate MODEL DATA --save FILE` writes one", where)
        about = _mapping(data, "about", where)
        counted = {name: about.pop(name, None) for name in ("sentences", "entities")}
        gold = _spans(data.get("gold"), f"{where}, gold")
        if not gold:
            raise DataError("holds no text", f"{where}, gold")
        systems = {name: _spans(found, f"{where}, systems.{name}") for name, found in _mapping(data, "systems", where).items()}
        if not systems:
            raise DataError("holds no system", f"{where}, systems")
        seen = None if data.get("seen") is None else _boundaries(data["seen"], f"{where}, seen")
        for name, texts in (*((f"systems.{name}", spans) for name, spans in systems.items()), ("seen", seen)):
            if texts is not None and len(texts) != len(gold):
                raise DataError(f"has {len(texts)} texts, but gold has {len(gold)}", f"{where}, {name}")
        texts = data.get("texts")
        if not isinstance(texts, str):
            raise DataError("expected the hash of the texts", f"{where}, texts")
        run = cls(_circumstances(about, f"{where}, about"), texts, gold, systems, seen)
        for name, value in (("sentences", len(gold)), ("entities", run.entities)):
            if counted[name] != value:
                raise DataError(f"says {counted[name]}, but gold has {value}; the file was changed", f"{where}, about.{name}")
        return run


def make_run(
    about: Circumstances,
    records: Sequence[Record],
    systems: Mapping[str, Sequence[Iterable[Span]]],
    surfaces: frozenset[str] | None = None,
) -> Run:
    """A run out of labelled texts and what each system found in them.

    Args:
        about: the circumstances.
        records: N labelled texts.
        systems: as `predict_systems` gives them: N collections of spans by the name of the system.
        surfaces: the words of the training data's entities (`training_surfaces`), to tell seen from unseen ones.

    Raises:
        DataError: no record, no system, or a system with another number of texts.
    """
    if not records:
        raise DataError("a run needs at least one text")
    if not systems:
        raise DataError("a run needs at least one system")
    for name, predicted in systems.items():
        if len(predicted) != len(records):
            raise DataError(f"system {name!r} has {len(predicted)} texts, the data {len(records)}")
    texts = [record.text for record in records]
    gold = _frozen([record.entities for record in records])
    found = {name: _frozen(predicted) for name, predicted in systems.items()}
    seen = None
    if surfaces is not None:
        seen = tuple(frozenset(known) for known in seen_boundaries(texts, [gold, *found.values()], surfaces))
    return Run(about, hash_of_texts(texts), gold, found, seen)


def hash_of_texts(texts: Iterable[str]) -> str:
    """The same for the same texts in the same order."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:16]


def _frozen(texts: Sequence[Iterable[Span]]) -> Spans:
    return tuple(tuple(sorted(set(spans))) for spans in texts)


def _plain(texts: Spans) -> list[list[list[Any]]]:
    return [[list(span) for span in spans] for spans in texts]


def _mapping(data: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    value = data.get(name)
    if not isinstance(value, dict):
        raise DataError("expected a JSON object", f"{where}, {name}")
    return dict(value)


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"expected a list, not {type(value).__name__}", where)
    return value


def _spans(value: Any, where: str) -> Spans:
    texts = []
    for number, spans in enumerate(_list(value, where)):
        at = f"{where}[{number}]"
        for span in _list(spans, at):
            if not (isinstance(span, list) and len(span) == 3 and _is_stretch(span[:2]) and isinstance(span[2], str)):
                raise DataError(f"expected [start, end, label] with 0 <= start < end, not {span!r}", at)
        texts.append(tuple(Span(*span) for span in spans))
    return tuple(texts)


def _boundaries(value: Any, where: str) -> tuple[frozenset[tuple[int, int]], ...]:
    texts = []
    for number, stretches in enumerate(_list(value, where)):
        at = f"{where}[{number}]"
        for stretch in _list(stretches, at):
            if not (isinstance(stretch, list) and len(stretch) == 2 and _is_stretch(stretch)):
                raise DataError(f"expected [start, end] with 0 <= start < end, not {stretch!r}", at)
        texts.append(frozenset((start, end) for start, end in stretches))
    return tuple(texts)


def _is_stretch(pair: Sequence[Any]) -> bool:
    return type(pair[0]) is int and type(pair[1]) is int and 0 <= pair[0] < pair[1]


def _circumstances(about: dict[str, Any], where: str) -> Circumstances:
    expected: dict[str, tuple[type, ...]] = {
        "data": (str,),
        "split": (str,),
        "decoding": (str,),
        "encoder": (str,),
        "seed": (int, type(None)),
        "fold": (int, type(None)),
        "train_size": (int, type(None)),
        "hardware": (str,),
        "versions": (dict,),
    }
    for name in (*expected, *about):
        if name not in expected:
            raise DataError(f"unknown field; known: {', '.join(expected)}", f"{where}.{name}")
        if name not in about:
            raise DataError("is missing", f"{where}.{name}")
        if type(about[name]) not in expected[name]:
            kinds = " or ".join("null" if kind is type(None) else kind.__name__ for kind in expected[name])
            raise DataError(f"expected {kinds}, not {about[name]!r}", f"{where}.{name}")
    return Circumstances(**about)
