"""Agreement of two annotations of the same texts: exact-match F1 of the spans and Cohen's kappa on character tags."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hybridner.errors import DataError
from hybridner.spans import Record, Span
from hybridner.spans.tags import spans_to_tags


@dataclass(frozen=True)
class LabelAgreement:
    """Agreement on one label, or on all of them.

    Attributes:
        first: entities in the first annotation.
        second: entities in the second one.
        both: entities in both, with the same span and label.
        kappa: Cohen's kappa over the B, I and O tags of all characters.
    """

    first: int
    second: int
    both: int
    kappa: float

    @property
    def f1(self) -> float:
        """Exact-match F1, the same whichever annotation is taken for gold; 1 when neither has an entity."""
        total = self.first + self.second
        return 2 * self.both / total if total else 1.0


@dataclass(frozen=True)
class Agreement:
    """Agreement on everything and on each label."""

    overall: LabelAgreement
    labels: dict[str, LabelAgreement]


@dataclass(frozen=True)
class Disagreement:
    """A text on which two annotations differ, and the spans that only one of them has."""

    id: str
    text: str
    only_first: tuple[Span, ...]
    only_second: tuple[Span, ...]


def align_texts(first: Iterable[Record], second: Iterable[Record]) -> list[Record]:
    """The records of the first annotation for the texts of the second one, in its order; the second may cover a part only.

    Raises:
        DataError: a text of the second annotation is not in the first, or not as often.
    """
    waiting: dict[str, deque[Record]] = {}
    for record in first:
        waiting.setdefault(record.text, deque()).append(record)
    found = []
    for record in second:
        if not waiting.get(record.text):
            raise DataError(f"the first annotation lacks the text {record.text[:40]!r}", f"record {record.id}")
        found.append(waiting[record.text].popleft())
    return found


def measure_agreement(first: Sequence[Record], second: Sequence[Record]) -> Agreement:
    """Agreement of two annotations.

    Raises:
        DataError: the two are not of the same texts in the same order.
    """
    _check_same_texts(first, second)
    names = sorted({span.label for records in (first, second) for record in records for span in record.entities})
    labels = {name: _agreement(_only(first, name), _only(second, name), [name]) for name in names}
    return Agreement(_agreement(first, second, names), labels)


def find_disagreements(first: Sequence[Record], second: Sequence[Record]) -> Iterator[Disagreement]:
    """The texts on which two annotations differ, for adjudication.

    Raises:
        DataError: the two are not of the same texts in the same order.
    """
    _check_same_texts(first, second)
    for one, other in zip(first, second, strict=True):
        if one.entities != other.entities:
            only_first = tuple(span for span in one.entities if span not in other.entities)
            only_second = tuple(span for span in other.entities if span not in one.entities)
            yield Disagreement(one.id, one.text, only_first, only_second)


def _check_same_texts(first: Sequence[Record], second: Sequence[Record]) -> None:
    if len(first) != len(second):
        raise DataError(f"the annotations cover {len(first)} and {len(second)} texts; both must cover the same ones")
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        if one.text != other.text:
            raise DataError(f"the texts differ: {one.text[:40]!r} and {other.text[:40]!r}", f"record {number} ({one.id})")


def _only(records: Sequence[Record], label: str) -> list[Record]:
    return [Record(record.text, tuple(span for span in record.entities if span.label == label)) for record in records]


def _agreement(first: Sequence[Record], second: Sequence[Record], labels: Sequence[str]) -> LabelAgreement:
    both = sum(len(set(one.entities) & set(other.entities)) for one, other in zip(first, second, strict=True))
    counts = [sum(len(record.entities) for record in records) for records in (first, second)]
    return LabelAgreement(counts[0], counts[1], both, cohen_kappa(_tags(first, labels), _tags(second, labels)))


def _tags(records: Sequence[Record], labels: Sequence[str]) -> list[int]:
    return [tag for record in records for tag in spans_to_tags(record.entities, len(record.text), labels)]


def cohen_kappa(first: Sequence[int], second: Sequence[int]) -> float:
    """Agreement beyond chance of two equally long sequences of classes; 1 when both hold only one and the same class."""
    if not first:
        return 1.0
    observed = sum(one == other for one, other in zip(first, second, strict=True)) / len(first)
    counts, others = Counter(first), Counter(second)
    chance = sum(count * others[value] for value, count in counts.items()) / len(first) ** 2
    return (observed - chance) / (1 - chance) if chance < 1 else 1.0
