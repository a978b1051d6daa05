"""Everything that labelled records, and out-of-fold errors, say about how annotators label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hybridner.ensemble import DecisionSettings, Predictions, decide_predictions, select_entities
from hybridner.errors import DataError
from hybridner.guidelines.affixes import Affix, Background, find_affixes, place
from hybridner.guidelines.borders import Border, find_borders
from hybridner.guidelines.mentions import Mention, Share, find_mentions, repeated, seldom_marked, unmarked_cues, usually_marked
from hybridner.spans import NON_ENTITY, Record, Span

#: (words, how often).
Counted = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class LabelHabits:
    """How one label is used.

    Attributes:
        label: its name.
        entities: how often it occurs.
        lengths: characters of the entities at 10 and at 90 %.
        typical: its commonest words.
        affixes: what its entities begin and end with, or leave out there.
        borders: the border cases that occur.
        later: (marked, unmarked) later mentions in a document.
        always: words, numbers folded, that are marked nearly wherever they come first.
        seldom: words of its kind that are mostly left unmarked.
        cues: strings after which words of its kind are not marked.
        false_starts: what members take for it out of fold, and annotators mark as nothing.
        corrections: ((what members take for it, the true entity), how often) where only the border differs.
        confused: ((words, the true label), how often) where only the label differs.
    """

    label: str
    entities: int
    lengths: tuple[int, int]
    typical: Counted
    affixes: tuple[Affix, ...]
    borders: tuple[Border, ...]
    later: tuple[int, int]
    always: tuple[Share, ...]
    seldom: tuple[Share, ...]
    cues: tuple[Share, ...]
    false_starts: Counted = ()
    corrections: tuple[tuple[tuple[str, str], int], ...] = ()
    confused: tuple[tuple[tuple[str, str], int], ...] = ()


@dataclass(frozen=True)
class Habits:
    """How a data set is annotated.

    Attributes:
        records, entities: how many.
        without_entities: records that have none.
        later: (marked, unmarked) later mentions in a document.
        borders: the border cases over all labels.
        nested: entities inside of others.
        labels: the commonest first.
        out_of_fold: whether errors of members were looked at.
    """

    records: int
    entities: int
    without_entities: int
    later: tuple[int, int]
    borders: tuple[Border, ...]
    nested: int
    labels: tuple[LabelHabits, ...]
    out_of_fold: bool


def find_habits(source: Sequence[Record] | Predictions) -> Habits:
    """Look through labelled records.

    Args:
        source: labelled records; or out-of-fold predictions, which say in addition what members get wrong.

    Raises:
        DataError: no entity at all.
    """
    records = source.records if isinstance(source, Predictions) else tuple(source)
    entities = [(record, span) for record in records for span in record.entities]
    if not entities:
        raise DataError("the data holds no entity, so that it says nothing about how entities are labelled")
    mentions = find_mentions(records)
    background = Background.of(records)
    errors = _errors(source) if isinstance(source, Predictions) else {}
    counts = Counter(span.label for _, span in entities)
    return Habits(
        len(records),
        len(entities),
        sum(not record.entities for record in records),
        repeated(mentions),
        tuple(find_borders(entities)),
        sum(_is_nested(record, span) for record, span in entities),
        tuple(
            _label_habits(
                label,
                [(record, span) for record, span in entities if span.label == label],
                [mention for mention in mentions if mention.label == label],
                background,
                errors.get(label, _Errors()),
            )
            for label, _ in counts.most_common()
        ),
        isinstance(source, Predictions),
    )


@dataclass(frozen=True)
class _Errors:
    """What members take for one label, counted."""

    false_starts: Counter[str] = field(default_factory=Counter)
    corrections: Counter[tuple[str, str]] = field(default_factory=Counter)
    confused: Counter[tuple[str, str]] = field(default_factory=Counter)


def _label_habits(
    label: str,
    entities: Sequence[tuple[Record, Span]],
    mentions: Sequence[Mention],
    background: Background,
    errors: _Errors,
) -> LabelHabits:
    sizes = sorted(span.end - span.start for _, span in entities)
    words = Counter(record.text[span.start : span.end] for record, span in entities)
    return LabelHabits(
        label,
        len(entities),
        (sizes[len(sizes) // 10], sizes[-1 - len(sizes) // 10]),
        _counted(words),
        tuple(find_affixes([place(record.text, span.start, span.end) for record, span in entities], background)),
        tuple(find_borders(entities)),
        repeated(mentions),
        tuple(usually_marked(mentions)),
        tuple(seldom_marked(mentions)),
        tuple(unmarked_cues(mentions)),
        _counted(errors.false_starts),
        _counted(errors.corrections),
        _counted(errors.confused),
    )


def _errors(predictions: Predictions) -> dict[str, _Errors]:
    """By the label that members give."""
    found: dict[str, _Errors] = {label: _Errors() for label in predictions.labels if label != NON_ENTITY}
    nested = any(_is_nested(record, span) for record in predictions.records for span in record.entities)
    rows = decide_predictions(predictions, DecisionSettings(decoding="nested" if nested else "flat"))
    for record, row in zip(predictions.records, rows, strict=True):
        for entity in select_entities(row):
            errors, words = found[entity.label], record.text[entity.start : entity.end]
            touching = [span for span in record.entities if span.start < entity.end and entity.start < span.end]
            same = [span for span in touching if (span.start, span.end) == (entity.start, entity.end)]
            if not touching:
                errors.false_starts[words] += 1
            elif same and all(span.label != entity.label for span in same):
                errors.confused[words, same[0].label] += 1
            elif not same and (near := [span for span in touching if span.label == entity.label]):
                errors.corrections[words, record.text[near[0].start : near[0].end]] += 1
    return found


def _is_nested(record: Record, span: Span) -> bool:
    return any(other != span and other.start <= span.start and span.end <= other.end for other in record.entities)


_Key = TypeVar("_Key")


def _counted(counts: Counter[_Key]) -> tuple[tuple[_Key, int], ...]:
    return tuple(counts.most_common())
