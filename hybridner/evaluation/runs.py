"""Saved runs: what every system found in a data set, and its metadata, so that comparing needs no model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, PlainValidator

from hybridner.errors import DataError
from hybridner.evaluation.slices import seen_boundaries
from hybridner.files import read_json, write_text
from hybridner.spans import Record, Span
from hybridner.validation import Integer, Settings, validate

FORMAT = "hybridner run 1"
#: What the names of systems begin with: combining strategies, and hybrids with an LLM. Members stand under their own names.
STRATEGY, HYBRID = "strategy:", "hybrid:"
#: No system, but what one could reach: the hybrid whose every answer is right.
CEILING = HYBRID + "every answer right"

Spans = tuple[tuple[Span, ...], ...]


@dataclass(frozen=True)
class RunMetadata:
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
        fitted_on: what weights were fitted on, in words.

    Examples:
        >>> RunMetadata("sncm", "test", "flat", encoder="bert-base-chinese", seed=42).hardware
        'unknown'
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    data: str
    split: str
    decoding: str
    encoder: str = "unknown"
    seed: Integer | None = None
    fold: Integer | None = None
    train_size: Integer | None = None
    hardware: str = "unknown"
    versions: dict[str, str] = field(default_factory=dict)
    fitted_on: str = ""


@dataclass(frozen=True)
class Run:
    """Predictions of several systems on the same N texts.

    Attributes:
        about: its metadata.
        texts: a hash of the texts; runs that share it can be compared text by text.
        gold: N tuples of gold spans.
        systems: N tuples of predicted spans for each system: "NAME" a member, "strategy:NAME" a combining strategy,
            "hybrid:NAME" the ensemble with an LLM; any other prefix is another way of combining.
        seen: for each text the [start, end) of those of all these spans whose word is an entity of the training data; None when
            the training data were not at hand.
        documents: for each text the number of its document; None when every text stands for itself. Resampling draws documents.

    Examples:
        >>> run = make_run(RunMetadata("sncm", "test", "flat"), records, {"nothing": [[] for _ in records]})
        >>> run.entities, run.systems["nothing"][0]
        (48, ())
        >>> run.save("run.json")
        >>> Run.load("run.json").about.split
        'test'
    """

    about: RunMetadata
    texts: str
    gold: Spans
    systems: dict[str, Spans]
    seen: tuple[frozenset[tuple[int, int]], ...] | None = None
    documents: tuple[int, ...] | None = None

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
            "documents": None if self.documents is None else list(self.documents),
            "systems": {name: _plain(spans) for name, spans in self.systems.items()},
        }

    def save(self, path: str | Path) -> None:
        """Write the run as JSON; it appears under its name only when it is whole."""
        write_text(path, json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":")) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read and check what `save` wrote.

        Raises:
            DataError: no such file, no JSON, or anything in it that is not as it should be; says which field.
        """
        try:
            data = read_json(path)
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
        file = validate(_RunFile, data, DataError, where)
        counted = {name: file.about.pop(name, None) for name in ("sentences", "entities")}
        about = validate(RunMetadata, file.about, DataError, f"{where}, about")
        for name, texts in (
            *((f"systems.{name}", spans) for name, spans in file.systems.items()),
            ("seen", file.seen),
            ("documents", file.documents),
        ):
            if texts is not None and len(texts) != len(file.gold):
                raise DataError(f"has {len(texts)} texts, but gold has {len(file.gold)}", f"{where}, {name}")
        run = cls(about, file.texts, file.gold, file.systems, file.seen, file.documents)
        for name, value in (("sentences", len(file.gold)), ("entities", run.entities)):
            if counted[name] != value:
                raise DataError(f"says {counted[name]}, but gold has {value}; the file was changed", f"{where}, about.{name}")
        return run


def make_run(
    about: RunMetadata,
    records: Sequence[Record],
    systems: Mapping[str, Sequence[Iterable[Span]]],
    surfaces: frozenset[str] | None = None,
) -> Run:
    """A run out of labelled texts and what each system found in them.

    Args:
        about: its metadata.
        records: N labelled texts.
        systems: as `predict_systems` gives them: N collections of spans by the name of the system.
        surfaces: the words of the training data's entities (`training_surfaces`), to tell seen from unseen ones.

    Raises:
        DataError: no record, no system, or a system with another number of texts.

    Examples:
        >>> labelled = [Record(text, (Span(0, 3, "State"),))]
        >>> systems = {"a": [[Span(0, 3, "State")]], "b": [[]]}
        >>> run = make_run(RunMetadata("sncm", "test", "flat"), labelled, systems, surfaces=frozenset({"俄罗斯"}))
        >>> list(run.systems), run.seen
        (['a', 'b'], (frozenset({(0, 3)}),))
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
    return Run(about, hash_of_texts(texts), gold, found, seen, _documents(records))


def _documents(records: Sequence[Record]) -> tuple[int, ...] | None:
    """The number of each record's document, in the order in which they first come; a record without one stands for itself."""
    names = [("group", record.group) if record.group else ("text", str(row)) for row, record in enumerate(records)]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return tuple(number[name] for name in names) if len(number) < len(records) else None


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


def _span(value: object) -> Span:
    match value:
        case [int() as start, int() as end, str() as label] if _is_stretch(start, end):
            return Span(start, end, label)
    raise ValueError(f"expected [start, end, label] with 0 <= start < end, got {value!r}")


def _boundaries(value: object) -> tuple[int, int]:
    match value:
        case [int() as start, int() as end] if _is_stretch(start, end):
            return start, end
    raise ValueError(f"expected [start, end] with 0 <= start < end, got {value!r}")


def _is_stretch(start: int, end: int) -> bool:
    return type(start) is int and type(end) is int and 0 <= start < end


_T = TypeVar("_T")
_NonEmpty = Annotated[_T, Field(min_length=1)]
_StoredSpans = tuple[tuple[Annotated[Span, PlainValidator(_span)], ...], ...]


class _RunFile(Settings):
    """What a file holds."""

    format: str
    about: dict[str, Any]
    texts: str
    gold: _NonEmpty[_StoredSpans]
    seen: tuple[frozenset[Annotated[tuple[int, int], PlainValidator(_boundaries)]], ...] | None
    systems: _NonEmpty[dict[str, _StoredSpans]]
    documents: tuple[Annotated[Integer, Field(ge=0)], ...] | None = None
