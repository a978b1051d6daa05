"""What is in a data set: counts, lengths, labels, overlaps, duplicates, and leaks between its splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hybridner.data.statistics.near_duplicates import near_duplicate_pairs
from hybridner.spans import Record, Span, best_flat

#: Entity lengths in characters whose excess is reported.
_LENGTHS = (5, 10, 16, 20)
_QUANTILES = (0.5, 0.9, 0.99, 1.0)
NEAR = 0.8


@dataclass(frozen=True)
class LabelStats:
    """One label in one split.

    Attributes:
        entities: how often it occurs.
        surfaces: how many different words carry it.
        commonest: its commonest word, and how often that occurs.
        commonest_count: see `commonest`.
        longest: characters of its longest entity.
    """

    entities: int
    surfaces: int
    commonest: str
    commonest_count: int
    longest: int


@dataclass(frozen=True)
class Overlaps:
    """How entities of one record share characters.

    Attributes:
        nested: pairs of which one lies inside the other.
        crossing: pairs that overlap without that.
        same_span: pairs of two labels on one span.
        flat_recall: the share of entities in the largest sets without overlap: the best recall of a flat output.
    """

    nested: int
    crossing: int
    same_span: int
    flat_recall: float


@dataclass(frozen=True)
class SplitStats:
    """One split. Lengths are in characters; quantiles are the median, 90 %, 99 % and the largest.

    Attributes:
        without_entities: records that have none.
        longer_than: share of entities longer than so many characters.
        duplicates: records whose text has come before.
        near_duplicates: records whose text has come before, exactly or nearly.
        character_types: different characters; with `characters` this gives the type/token ratio.
    """

    records: int
    entities: int
    without_entities: int
    characters: int
    character_types: int
    text_lengths: tuple[int, ...]
    entity_lengths: tuple[int, ...]
    longer_than: dict[int, float]
    labels: dict[str, LabelStats]
    overlaps: Overlaps
    duplicates: int
    near_duplicates: int


@dataclass(frozen=True)
class Leak:
    """What two splits have in common; counted in records or entities of the later one.

    Attributes:
        same_text: records whose text stands in the earlier split.
        near_text: records whose text stands there exactly or nearly.
        same_group: records whose document is there too.
        unseen_surfaces: share of different (word, label) pairs that do not occur there.
    """

    earlier: str
    later: str
    same_text: int
    near_text: int
    same_group: int
    unseen_surfaces: float


@dataclass(frozen=True)
class Description:
    """A whole data set.

    Attributes:
        near_duplicate_share: records whose text has come before anywhere, exactly or nearly, over all records.
    """

    splits: dict[str, SplitStats]
    leaks: tuple[Leak, ...]
    near_duplicate_share: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def describe(splits: Mapping[str, Sequence[Record]]) -> Description:
    """Statistics of the splits of a data set, in the order given."""
    # Equal texts are near each other anyway; the search is done once, over the different texts of all splits.
    number: dict[str, int] = {}
    for records in splits.values():
        for record in records:
            number.setdefault(record.text, len(number))
    near: dict[int, set[int]] = {}
    for first, second in near_duplicate_pairs(list(number), NEAR):
        near.setdefault(first, set()).add(second)
        near.setdefault(second, set()).add(first)
    texts = {split: [number[record.text] for record in records] for split, records in splits.items()}
    names = list(splits)
    leaks = tuple(_leak(earlier, later, splits, texts, near) for at, earlier in enumerate(names) for later in names[at + 1 :])
    everything = [text for split in names for text in texts[split]]
    share = _come_before(everything, near)[1] / len(everything) if everything else 0.0
    return Description({split: _split_stats(splits[split], texts[split], near) for split in names}, leaks, share)


def _come_before(texts: Sequence[int], near: Mapping[int, set[int]]) -> tuple[int, int]:
    """How many texts have come before exactly, and how many exactly or nearly."""
    seen: set[int] = set()
    exactly = nearly = 0
    for text in texts:
        exactly += text in seen
        nearly += text in seen or not seen.isdisjoint(near.get(text, ()))
        seen.add(text)
    return exactly, nearly


def _split_stats(records: Sequence[Record], texts: Sequence[int], near: Mapping[int, set[int]]) -> SplitStats:
    lengths = [span.end - span.start for record in records for span in record.entities]
    duplicates, near_duplicates = _come_before(texts, near)
    return SplitStats(
        records=len(records),
        entities=len(lengths),
        without_entities=sum(not record.entities for record in records),
        characters=sum(len(record.text) for record in records),
        character_types=len({character for record in records for character in record.text}),
        text_lengths=_quantiles([len(record.text) for record in records]),
        entity_lengths=_quantiles(lengths),
        longer_than={limit: sum(length > limit for length in lengths) / max(1, len(lengths)) for limit in _LENGTHS},
        labels=_label_stats(records),
        overlaps=_overlaps(records),
        duplicates=duplicates,
        near_duplicates=near_duplicates,
    )


def _quantiles(values: Sequence[int]) -> tuple[int, ...]:
    if not values:
        return ()
    return tuple(int(value) for value in np.quantile(values, _QUANTILES, method="inverted_cdf"))


def _label_stats(records: Sequence[Record]) -> dict[str, LabelStats]:
    words: dict[str, Counter[str]] = {}
    for record in records:
        for start, end, label in record.entities:
            words.setdefault(label, Counter())[record.text[start:end]] += 1
    stats = {}
    for label, counts in sorted(words.items(), key=lambda item: (-item[1].total(), item[0])):
        word, count = min(counts.items(), key=lambda item: (-item[1], item[0]))
        stats[label] = LabelStats(counts.total(), len(counts), word, count, max(map(len, counts)))
    return stats


def _overlaps(records: Sequence[Record]) -> Overlaps:
    nested = crossing = same_span = flat = total = 0
    for record in records:
        spans = record.entities
        for at, first in enumerate(spans):
            for second in spans[at + 1 :]:
                if second.start >= first.end:
                    break
                if (first.start, first.end) == (second.start, second.end):
                    same_span += 1
                elif second.end <= first.end or second.start == first.start:
                    nested += 1
                else:
                    crossing += 1
        total += len(spans)
        flat += _largest_flat(spans)
    return Overlaps(nested, crossing, same_span, flat / total if total else 1.0)


def _largest_flat(spans: Sequence[Span]) -> int:
    return len(best_flat([(span.start, span.end) for span in spans], [1.0] * len(spans)))


def _leak(
    earlier: str,
    later: str,
    splits: Mapping[str, Sequence[Record]],
    texts: Mapping[str, Sequence[int]],
    near: Mapping[int, set[int]],
) -> Leak:
    there = set(texts[earlier])
    groups = {record.group for record in splits[earlier] if record.group}
    known, asked = _surfaces(splits[earlier]), _surfaces(splits[later])
    return Leak(
        earlier,
        later,
        same_text=sum(text in there for text in texts[later]),
        near_text=sum(text in there or not there.isdisjoint(near.get(text, ())) for text in texts[later]),
        same_group=sum(record.group in groups for record in splits[later]),
        unseen_surfaces=len(asked - known) / len(asked) if asked else 0.0,
    )


def _surfaces(records: Sequence[Record]) -> set[tuple[str, str]]:
    return {(record.text[start:end], label) for record in records for start, end, label in record.entities}
