"""Silver labels: what two prompts of an LLM made of a text, and how far they agree."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hybridner.bootstrap.label_errors import merge_unsure
from hybridner.errors import DataError
from hybridner.files import atomic_write, read_text
from hybridner.spans import Record, Span, Unsure

#: How much a label counts that one of two prompts gave.
ONE_OF_TWO = 0.5


@dataclass(frozen=True)
class Agreement:
    """How the two annotations of a sample go together.

    Attributes:
        sentences: annotated by both prompts.
        unanswered: left out, as one of the prompts or both got no answer.
        first, second: entities by the first and by the second prompt.
        same: entities by both, with the same label.
    """

    sentences: int
    unanswered: int
    first: int
    second: int
    same: int

    @property
    def f1(self) -> float:
        """Of one annotation against the other, 0 to 1."""
        return 2 * self.same / max(self.first + self.second, 1)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "f1": self.f1}


def combine(text: str, first: Iterable[Span], second: Iterable[Span]) -> Record:
    """One record out of two annotations of a text.

    What both have is sure. Where they differ, the first one's entities stand, and the second one's where they overlap none of
    these, as `Unsure`; such a stretch takes in the entities of both, so that no border is learned as if it were sure.
    """
    one, two = _flat(first), _flat(second)
    both = one & two
    kept = both | {s for s in one if not _overlaps(s, both)}
    kept |= {s for s in two - one if not _overlaps(s, kept)}
    doubts = [Unsure(s.start, s.end, ONE_OF_TWO) for s in one ^ two]
    return Record(text, tuple(sorted(kept)), unsure=_take_in(kept, merge_unsure(doubts)))


def agreement(first: Sequence[Iterable[Span]], second: Sequence[Iterable[Span]], unanswered: int) -> Agreement:
    """Counts over all texts that both have annotated."""
    pairs = [(_flat(one), _flat(two)) for one, two in zip(first, second, strict=True)]
    return Agreement(
        len(pairs),
        unanswered,
        sum(len(one) for one, _ in pairs),
        sum(len(two) for _, two in pairs),
        sum(len(one & two) for one, two in pairs),
    )


def write_silver(records: Iterable[Record], path: Path) -> None:
    """JSON lines of text and entities, as `read_records` knows them, with `unsure` beside them."""
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        for record in records:
            row = {
                "text": record.text,
                "entities": [span._asdict() for span in record.entities],
                "unsure": [[u.start, u.end, round(u.weight, 4)] for u in record.unsure],
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_silver(path: Path) -> list[Record]:
    """What `write_silver` wrote.

    Raises:
        DataError: it cannot be read.
    """
    records = []
    try:
        for number, line in enumerate(read_text(path).splitlines(), 1):
            row = json.loads(line)
            spans = tuple(Span(entity["start"], entity["end"], entity["label"]) for entity in row["entities"])
            records.append(Record(row["text"], spans, str(number), unsure=tuple(Unsure(*u) for u in row["unsure"])))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot be read as silver labels: {error!r}; delete it to have it made again", str(path)) from error
    return records


def with_reviews(records: Sequence[Record], reviewed: Sequence[Record], times: int) -> list[Record]:
    """The records with reviewed ones in the place of their own, each so many times: what people say counts more.

    Reviewed texts that are none of the records are added.
    """
    by_text = {record.text: record for record in reviewed}
    known = {record.text for record in records}
    whole = [by_text.get(record.text, record) for record in records]
    whole += [record for record in reviewed if record.text not in known]
    return [*whole, *(replace(record) for _ in range(times - 1) for record in reviewed)]


def _flat(spans: Iterable[Span]) -> set[Span]:
    """Without overlaps: the longest of those that overlap."""
    kept: set[Span] = set()
    for span in sorted(spans, key=lambda s: (s.start - s.end, s)):
        if not _overlaps(span, kept):
            kept.add(span)
    return kept


def _overlaps(span: Span, others: Iterable[Span]) -> bool:
    return any(span.start < other.end and other.start < span.end for other in others)


def _take_in(kept: Iterable[Span], doubts: Sequence[Unsure]) -> tuple[Unsure, ...]:
    """Doubts widened to the whole of the entities that they touch."""
    wide = list(doubts)
    for span in kept:
        wide = [
            Unsure(min(d.start, span.start), max(d.end, span.end), d.weight) if d.start < span.end and span.start < d.end else d
            for d in wide
        ]
    return merge_unsure(wide)
