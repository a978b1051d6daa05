from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.evaluation import (
    PrecisionRecallF1,
    score_boundaries,
    score_by,
    score_by_length,
    score_by_nesting,
    score_by_seen,
    score_spans,
    score_types,
    seen_boundaries,
    text_counts,
    training_surfaces,
)
from hybridner.evaluation.slices import overlapping
from hybridner.spans import Record, Span
from tests.evaluation.spans import PAIRS, TEXT_SPANS, spans

Pair = tuple[list[list[Span]], list[list[Span]]]


def test_scores_of_an_example() -> None:
    gold = [[Span(0, 2, "A"), Span(3, 5, "B")], [Span(0, 1, "A")]]
    predicted = [[Span(0, 2, "A"), Span(3, 6, "B"), Span(7, 8, "C")], []]
    scores = score_spans(gold, predicted)
    assert scores.micro == PrecisionRecallF1(1, 3, 3)
    assert scores.per_label == {"A": PrecisionRecallF1(1, 1, 2), "B": PrecisionRecallF1(0, 1, 1), "C": PrecisionRecallF1(0, 1, 0)}
    # C is not in gold, so it is no part of the macro averages.
    assert (scores.macro_precision, scores.macro_recall, scores.macro_f1) == (0.5, 0.25, pytest.approx(1 / 3))
    assert score_boundaries(gold, predicted) == PrecisionRecallF1(1, 3, 3)
    assert score_types(gold, predicted) == PrecisionRecallF1(2, 3, 3)


@given(PAIRS)
def test_counts_of_texts_add_up_to_the_scores(pair: Pair) -> None:
    micro = score_spans(*pair).micro
    assert text_counts(*pair).sum(axis=0).tolist() == [micro.correct, micro.predicted, micro.gold]


@given(PAIRS)
def test_half_the_credit_is_never_less(pair: Pair) -> None:
    exact = score_spans(*pair).micro
    types = score_types(*pair)
    assert types.correct >= exact.correct
    assert (types.predicted, types.gold) == (exact.predicted, exact.gold)
    boundaries = score_boundaries(*pair)
    truths = [{(s.start, s.end) for s in text} for text in pair[0]]
    guesses = [{(s.start, s.end) for s in text} for text in pair[1]]
    assert boundaries.correct == sum(len(truth & guess) for truth, guess in zip(truths, guesses, strict=True))


@given(st.lists(spans(), max_size=4, unique=True), st.lists(spans(), max_size=3, unique=True))
def test_types_are_matched_as_well_as_can_be(gold: list[Span], predicted: list[Span]) -> None:
    """Against all one-to-one matchings of one text."""

    def goes(truth: Span, guess: Span | None) -> bool:
        return guess is not None and truth.label == guess.label and bool({*range(*truth[:2])} & {*range(*guess[:2])})

    padded: list[Span | None] = [*predicted, *[None] * len(gold)]
    best = max(sum(map(goes, gold, chosen)) for chosen in permutations(padded, len(gold)))
    assert score_types([gold], [predicted]).correct == best


@given(PAIRS)
def test_slices_are_a_partition(pair: Pair) -> None:
    micro = score_spans(*pair).micro
    whole = (micro.correct, micro.predicted, micro.gold)
    seen = [{(0, 2), (1, 4)} for _ in pair[0]]
    for parts in (
        score_by_length(*pair, bins=(1, 3)),
        score_by_nesting(*pair),
        score_by_seen(*pair, seen),
        score_by(*pair, lambda number, span: (number, span.label)),
    ):
        sums = [sum(column) for column in zip(*((p.correct, p.predicted, p.gold) for p in parts.values()), strict=True)]
        assert tuple(sums) == (whole if sums else ())
    assert list(score_by_length(*pair)) == ["1-2", "3-5", "6-10", "11+"]


def test_lengths() -> None:
    gold = [[Span(0, 2, "A"), Span(2, 5, "A"), Span(5, 16, "A")]]
    predicted = [[Span(0, 2, "A"), Span(2, 4, "A"), Span(5, 16, "B")]]
    parts = score_by_length(gold, predicted)
    assert parts == {
        "1-2": PrecisionRecallF1(1, 2, 1),
        "3-5": PrecisionRecallF1(0, 0, 1),
        "6-10": PrecisionRecallF1(0, 0, 0),
        "11+": PrecisionRecallF1(0, 1, 1),
    }


@given(TEXT_SPANS)
def test_overlapping_spans(spans: list[Span]) -> None:
    expected = {a for a in spans for b in spans if a != b and a.start < b.end and b.start < a.end}
    assert overlapping(spans) == expected


def test_nested_and_flat() -> None:
    gold = [[Span(0, 4, "A"), Span(1, 2, "B"), Span(6, 8, "A")]]
    # A flat prediction finds one of the nested pair: it counts as nested though nothing else of its own overlaps it.
    predicted = [[Span(0, 4, "A"), Span(6, 7, "A")]]
    assert score_by_nesting(gold, predicted) == {"flat": PrecisionRecallF1(0, 1, 1), "nested": PrecisionRecallF1(1, 1, 2)}


def test_seen_and_unseen_words() -> None:
    surfaces = training_surfaces([Record("俄罗斯在叙利亚", (Span(0, 3, "State"), Span(4, 7, "Place")))])
    assert surfaces == {"俄罗斯", "叙利亚"}
    texts = ["叙利亚和北约"]
    gold = [[Span(0, 3, "State"), Span(4, 6, "State")]]
    predicted = [[Span(0, 3, "Place"), Span(4, 6, "State"), Span(3, 4, "Place")]]
    seen = seen_boundaries(texts, [gold, predicted], surfaces)
    assert seen == [{(0, 3)}]
    assert score_by_seen(gold, predicted, seen) == {"seen": PrecisionRecallF1(0, 1, 1), "unseen": PrecisionRecallF1(1, 2, 1)}


@given(st.integers(0, 3), st.integers(0, 3))
def test_another_number_of_texts_is_an_error(gold: int, predicted: int) -> None:
    for function in (score_spans, score_boundaries, score_types, score_by_length, score_by_nesting, text_counts):
        if gold == predicted:
            function([[]] * gold, [[]] * predicted)
        else:
            with pytest.raises(ValueError, match="argument"):
                function([[]] * gold, [[]] * predicted)
