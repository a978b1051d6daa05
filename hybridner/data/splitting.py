"""Label sets, splits and sentences of records."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from hybridner.errors import DataError
from hybridner.spans import LabelSet, Record, Span

#: A sentence ends behind its full stop and the closing marks after it, or at a line end.
_SENTENCE_END = re.compile(r"[。！？!?]+[”’」』）)】》\"']*|\n+")


def collect_labels(records: Iterable[Record], domain: str = "") -> LabelSet:
    """The label set of the records, names in alphabetical order.

    Args:
        records: labelled records.
        domain: of the label set.

    Raises:
        DataError: the records hold no entity.

    Examples:
        >>> collect_labels(records).names
        ('Place', 'State')
    """
    return LabelSet.of(sorted({span.label for record in records for span in record.entities}), domain)


def split_records(records: Sequence[Record], fraction: float, seed: int) -> tuple[list[Record], list[Record]]:
    """(the rest, what is held out): a deterministic cut that leaves no leak.

    Records of one group stay together; records without a group stay with those of the same text. Which ones are held out
    depends on the seed and on their names, not on the order of the records. Whole groups are taken as long as they fit, so
    slightly less than `fraction` may be held out.

    Args:
        records: N labelled records.
        fraction: the share of the records to hold out, between 0 and 1.
        seed: another seed gives another cut.

    Raises:
        ValueError: `fraction` is not between 0 and 1.

    Examples:
        >>> train, dev = split_records(records, 0.25, seed=42)
        >>> len(train), len(dev)
        (18, 6)
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must lie between 0 and 1, not {fraction}")
    members: dict[str, int] = {}
    for record in records:
        members[_unit(record)] = members.get(_unit(record), 0) + 1
    room = round(fraction * len(records))
    held: set[str] = set()
    for unit in sorted(members, key=lambda unit: _draw(seed, unit)):
        if members[unit] <= room:
            held.add(unit)
            room -= members[unit]
    rest = [record for record in records if _unit(record) not in held]
    return rest, [record for record in records if _unit(record) in held]


def assign_folds(records: Sequence[Record], folds: int, seed: int) -> list[int]:
    """For each record the number of its fold, 0 to `folds` - 1.

    Records of one group stay together, as in `split_records`. Units are dealt out rarest label first, each to the fold that
    lacks that label most (iterative stratification; Sechidis, Tsoumakas and Vlahavas, 2011), so that rare labels are in every
    fold.

    Args:
        records: N labelled records.
        folds: at least 2.
        seed: another seed gives other folds.

    Raises:
        DataError: fewer groups than folds.

    Examples:
        >>> sorted(set(assign_folds(records, folds=3, seed=42)))
        [0, 1, 2]
    """
    of_unit: dict[str, list[Record]] = {}
    for record in records:
        of_unit.setdefault(_unit(record), []).append(record)
    if not 2 <= folds <= len(of_unit):
        raise DataError(
            f"{folds} folds need at least 2 and at most as many as there are documents or different texts ({len(of_unit)})"
        )
    labels = {unit: Counter(span.label for record in members for span in record.entities) for unit, members in of_unit.items()}
    total = sum(labels.values(), Counter())
    units = sorted(of_unit, key=lambda unit: _draw(seed, unit))
    # A unit counts for its rarest label; what has none comes last and evens out the sizes.
    rarest = {unit: min(labels[unit], key=lambda label: (total[label], label), default="") for unit in units}
    units.sort(key=lambda unit: (rarest[unit] == "", total[rarest[unit]], -labels[unit][rarest[unit]]))
    held: list[Counter[str]] = [Counter() for _ in range(folds)]
    sizes = [0] * folds
    number: dict[str, int] = {}
    for unit in units:
        fold = min(range(folds), key=lambda fold: (held[fold][rarest[unit]], sizes[fold], fold))
        number[unit] = fold
        held[fold] += labels[unit]
        sizes[fold] += len(of_unit[unit])
    return [number[_unit(record)] for record in records]


def _draw(seed: int, unit: str) -> bytes:
    """A place in line that depends on nothing but the seed and the name."""
    return blake2b(f"{seed}\n{unit}".encode(), digest_size=16).digest()


def _unit(record: Record) -> str:
    """What must stay on one side of a cut: the document, or all copies of one text."""
    return f"group {record.group}" if record.group else f"text {record.text}"


def split_sentences(record: Record) -> Iterator[Record]:
    """The sentences of a document as records of their own.

    A sentence's id is ``DOCUMENT:OFFSET``, the offset in characters of its first character, so that
    ``document[offset:offset + len(text)] == text``; its group is the document. Spaces around a sentence are left out. There is
    no cut inside an entity, so no entity is lost.

    Args:
        record: a document with its entities.

    Yields:
        its sentences with their entities, in the order of the text.

    Examples:
        >>> [sentence.id for sentence in split_sentences(Record("他来了。 她走了。", id="a"))]
        ['a:0', 'a:5']
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
