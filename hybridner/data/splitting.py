"""Label sets, splits and sentences of records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from hybridner.spans import LabelSet, Record, Span

#: A sentence ends behind its full stop and the closing marks after it, or at a line end.
_SENTENCE_END = re.compile(r"[。！？!?]+[”’」』）)】》\"']*|\n+")


def labels_of(records: Iterable[Record], domain: str = "") -> LabelSet:
    """The label set of the records, names in alphabetical order.

    Raises:
        DataError: the records hold no entity.
    """
    return LabelSet.of(sorted({span.label for record in records for span in record.entities}), domain)


def split_records(records: Sequence[Record], fraction: float, seed: int) -> tuple[list[Record], list[Record]]:
    """(the rest, what is held out): a deterministic cut that leaves no leak.

    Records of one group stay together; records without a group stay with those of the same text. Which ones are held out
    depends on the seed and on their names, not on the order of the records. Whole groups are taken as long as they fit, so
    slightly less than `fraction` may be held out.

    Args:
        fraction: the share of the records to hold out, between 0 and 1.
        seed: another seed gives another cut.

    Raises:
        ValueError: `fraction` is not between 0 and 1.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must lie between 0 and 1, not {fraction}")
    members: dict[str, int] = {}
    for record in records:
        members[_unit(record)] = members.get(_unit(record), 0) + 1
    room = round(fraction * len(records))
    held: set[str] = set()
    for unit in sorted(members, key=lambda unit: blake2b(f"{seed}\n{unit}".encode(), digest_size=16).digest()):
        if members[unit] <= room:
            held.add(unit)
            room -= members[unit]
    rest = [record for record in records if _unit(record) not in held]
    return rest, [record for record in records if _unit(record) in held]


def _unit(record: Record) -> str:
    """What must stay on one side of a cut: the document, or all copies of one text."""
    return f"group {record.group}" if record.group else f"text {record.text}"


def split_sentences(record: Record) -> Iterator[Record]:
    """The sentences of a document as records of their own.

    A sentence's id is ``DOCUMENT:OFFSET``, the offset in characters of its first character, so that
    ``document[offset:offset + len(text)] == text``; its group is the document. Spaces around a sentence are left out. There is
    no cut inside an entity, so no entity is lost.
    """
    for start, end in _sentence_bounds(record.text, record.entities):
        text = record.text[start:end]
        inside = tuple(
            Span(span.start - start, span.end - start, span.label) for span in record.entities if start <= span.start < end
        )
        yield Record(text, inside, f"{record.id}:{start}", record.group or record.id)


def _sentence_bounds(text: str, entities: Sequence[Span]) -> Iterator[tuple[int, int]]:
    within = {position for span in entities for position in range(span.start + 1, span.end)}
    cuts = [match.end() for match in _SENTENCE_END.finditer(text) if match.end() not in within]
    start = 0
    for cut in [*cuts, len(text)]:
        piece = text[start:cut]
        if piece.strip():
            yield start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
        start = cut
