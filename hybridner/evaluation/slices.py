"""Scores of a part of the spans: long ones, nested ones, words that training has never shown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence, Set
from typing import TypeVar

from hybridner.evaluation.metrics import PrecisionRecallF1
from hybridner.spans import Record, Span

_Key = TypeVar("_Key")

#: Longest span, in characters, of every bin of `score_by_length` but the last, which has no end.
LENGTH_BINS = (2, 5, 10)


def score_by(
    gold: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]], key: Callable[[int, Span], _Key]
) -> dict[_Key, PrecisionRecallF1]:
    """Scores of each group of spans, in the order of the keys.

    Args:
        gold, predicted: one collection of spans per text, in the same order.
        key: the group of a span, given the number of its text; keys can be sorted.

    Examples:
        >>> list(score_by([[Span(0, 3, "State")]], [[Span(4, 6, "Place")]], key=lambda number, span: span.label))
        ['Place', 'State']
    """
    counts: dict[_Key, list[int]] = {}
    for number, (truth, guess) in enumerate(zip(gold, predicted, strict=True)):
        truth, guess = set(truth), set(guess)
        for column, spans in enumerate((truth & guess, guess, truth)):
            for span in spans:
                counts.setdefault(key(number, span), [0, 0, 0])[column] += 1
    return {name: PrecisionRecallF1(*counts[name]) for name in sorted(counts)}  # type: ignore[type-var]


def score_by_length(
    gold: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]], bins: Sequence[int] = LENGTH_BINS
) -> dict[str, PrecisionRecallF1]:
    """Scores by the number of characters of a span, under names such as "3-5" and "11+"; every bin is there, even if empty.

    Args:
        gold: gold spans of each text.
        predicted: predicted spans of each text, in the same order.
        bins: the most characters of each bin but the last.

    Examples:
        >>> list(score_by_length([[Span(0, 3, "State")]], [[]], bins=(2, 5)))
        ['1-2', '3-5', '6+']
    """
    edges = [0, *bins]
    names = [f"{low + 1}-{high}" if high > low + 1 else str(high) for low, high in zip(edges, bins, strict=False)]
    names.append(f"{edges[-1] + 1}+")
    found = score_by(gold, predicted, lambda _, span: bisect_left(bins, span.end - span.start))
    return {name: found.get(number, PrecisionRecallF1(0, 0, 0)) for number, name in enumerate(names)}


def score_by_nesting(gold: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]]) -> dict[str, PrecisionRecallF1]:
    """Scores of "flat" spans and of "nested" ones.

    A gold span is nested when it shares a character with another gold span, and so is the prediction that equals it; a wrong
    prediction is nested when it shares one with another prediction.

    Args:
        gold: gold spans of each text.
        predicted: predicted spans of each text, in the same order.

    Examples:
        >>> scores = score_by_nesting([[Span(0, 5, "ORG"), Span(0, 2, "LOC")]], [[Span(0, 5, "ORG")]])
        >>> scores["nested"].recall
        0.5
    """
    truths = [set(spans) for spans in gold]
    guesses = [set(spans) for spans in predicted]
    nested = [overlapping(truth) | (overlapping(guess) - truth) for truth, guess in zip(truths, guesses, strict=True)]
    found = score_by(truths, guesses, lambda number, span: span in nested[number])
    return {name: found.get(key, PrecisionRecallF1(0, 0, 0)) for key, name in ((False, "flat"), (True, "nested"))}


def overlapping(spans: Iterable[Span]) -> set[Span]:
    """The spans that share a character with another one of them."""
    found: set[Span] = set()
    widest: Span | None = None
    for span in sorted(spans):
        if widest is not None and span.start < widest.end:
            found |= {widest, span}
        if widest is None or span.end > widest.end:
            widest = span
    return found


Boundaries = Set[tuple[int, int]]


def training_surfaces(records: Iterable[Record]) -> frozenset[str]:
    """The words of all entities of the training data, whatever their label.

    Args:
        records: the training data.

    Examples:
        >>> sorted(training_surfaces(records))
        ['俄罗斯', '加里宁格勒', '北约', '叙利亚']
    """
    return frozenset(record.text[span.start : span.end] for record in records for span in record.entities)


def seen_boundaries(
    texts: Sequence[str], systems: Iterable[Sequence[Iterable[Span]]], surfaces: Set[str]
) -> list[set[tuple[int, int]]]:
    """For each text the [start, end) of those spans, of any of the systems, whose word is one of the surfaces.

    Args:
        texts: N texts.
        systems: of gold and of each system, its spans in each text.
        surfaces: words, see `training_surfaces`.

    Examples:
        >>> seen_boundaries(["北约和俄罗斯"], [[[Span(0, 2, "State"), Span(3, 6, "State")]]], {"北约"})
        [{(0, 2)}]
    """
    seen: list[set[tuple[int, int]]] = [set() for _ in texts]
    for system in systems:
        for text, spans, known in zip(texts, system, seen, strict=True):
            known |= {(span.start, span.end) for span in spans if text[span.start : span.end] in surfaces}
    return seen


def score_by_seen(
    gold: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]], seen: Sequence[Boundaries]
) -> dict[str, PrecisionRecallF1]:
    """Scores of spans whose word is an entity of the training data ("seen") and of the others ("unseen").

    Args:
        gold, predicted: one collection of spans per text.
        seen: for each text the boundaries of seen words among these spans; see `seen_boundaries`.

    Examples:
        >>> gold = [[Span(0, 2, "State"), Span(3, 6, "State")]]
        >>> scores = score_by_seen(gold, [[Span(0, 2, "State")]], [{(0, 2)}])
        >>> scores["seen"].f1, scores["unseen"].f1
        (1.0, 0.0)
    """
    found = score_by(gold, predicted, lambda number, span: (span.start, span.end) not in seen[number])
    return {name: found.get(key, PrecisionRecallF1(0, 0, 0)) for key, name in ((False, "seen"), (True, "unseen"))}
