"""Fusion: a verifier no better than chance changes nothing, a perfect one decides, and overlaps are resolved again."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner.ensemble import COMBINERS, Ballot, Candidate, DecisionSettings, decide
from hybridner.llm import ConfusionMatrix, LlmError, resolve_again
from hybridner.llm.fusion import fuse_bayes, fuse_replace
from hybridner.spans import RESOLVERS
from tests.llm.scripted_server import candidate

NAMES = ("O", "LOC", "PER", "ORG")
SIZE = len(NAMES)


@st.composite
def distributions(draw: st.DrawFn) -> tuple[float, ...]:
    values = draw(st.lists(st.floats(1e-6, 1.0), min_size=SIZE, max_size=SIZE))
    return tuple(value / sum(values) for value in values)


def top(distribution: tuple[float, ...]) -> int:
    return distribution.index(max(distribution))


@given(distributions(), st.integers(0, SIZE - 1), st.lists(st.floats(0.01, 1), min_size=SIZE, max_size=SIZE))
def test_bayes_a_verifier_that_knows_nothing_changes_nothing(p: tuple[float, ...], answer: int, shares: list[float]) -> None:
    # It may prefer some answers, but its answer does not depend on the true label.
    row = tuple(share / sum(shares) for share in shares)
    for matrix in (ConfusionMatrix(NAMES, (row,) * SIZE), ConfusionMatrix.from_accuracy(1 / SIZE, NAMES)):
        fused = fuse_bayes(p, top(p), answer, matrix)
        assert fused.label == top(p)
        assert fused.distribution == p


@given(distributions(), st.integers(0, SIZE - 1))
def test_bayes_a_perfect_verifier_decides(p: tuple[float, ...], answer: int) -> None:
    fused = fuse_bayes(p, top(p), answer, ConfusionMatrix.from_accuracy(1.0, NAMES))
    assert fused.label == answer
    assert fused.distribution[answer] == pytest.approx(1.0)


def test_bayes_a_perfect_verifier_restores_a_label_that_was_ruled_out() -> None:
    fused = fuse_bayes((0.0, 1.0, 0.0, 0.0), 1, 2, ConfusionMatrix.from_accuracy(1.0, NAMES))
    assert fused.label == 2


@given(distributions(), st.integers(0, SIZE - 1), st.floats(0.0, 1.0))
def test_bayes_an_answer_never_makes_its_own_label_less_probable(p: tuple[float, ...], answer: int, accuracy: float) -> None:
    fused = fuse_bayes(p, top(p), answer, ConfusionMatrix.from_accuracy(accuracy, NAMES))
    assert fused.distribution[answer] >= p[answer] - 1e-6
    assert math.isclose(sum(fused.distribution), 1.0, abs_tol=1e-9)
    assert fused.label in (answer, top(p))


def test_bayes_a_weak_verifier_loses_to_a_sure_local_model_and_wins_over_an_unsure_one() -> None:
    weak = ConfusionMatrix.from_accuracy(0.6, NAMES)
    assert fuse_bayes((0.02, 0.94, 0.02, 0.02), 1, 2, weak).label == 1
    assert fuse_bayes((0.1, 0.4, 0.35, 0.15), 1, 2, weak).label == 2


def test_a_stated_accuracy_below_chance_counts_as_chance() -> None:
    assert ConfusionMatrix.from_accuracy(0.0, NAMES) == ConfusionMatrix.from_accuracy(1 / SIZE, NAMES)


def sampled(matrix: np.ndarray, count: int, seed: int = 0) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Pairs of a verifier with this matrix, and the labels they are over; O is true half of the time."""
    dice, size = np.random.default_rng(seed), len(matrix)
    names = ("O", *(f"T{number}" for number in range(1, size)))
    truth = dice.choice(size, count, p=[0.5, *[0.5 / (size - 1)] * (size - 1)])
    answers = (dice.random((count, 1)) > matrix.cumsum(1)[truth]).sum(1).clip(max=size - 1)
    return [(names[true], names[answer]) for true, answer in zip(truth, answers, strict=True)], names


def test_fitting_finds_any_matrix_given_enough_answers() -> None:
    odd = np.array([[0.3, 0.5, 0.1, 0.1], [0.1, 0.8, 0.05, 0.05], [0.1, 0.6, 0.3, 0.0], [0.2, 0.1, 0.0, 0.7]])
    fitted = ConfusionMatrix.fit(*sampled(odd, 20_000))
    np.testing.assert_allclose(fitted.rows, odd, atol=0.02)


def test_few_answers_make_a_better_matrix_than_counting_them_and_than_knowing_nothing() -> None:
    size = 11
    habit = np.arange(size, 0, -1) / (size * (size + 1) / 2)
    matrix = 0.5 * np.eye(size) + 0.5 * habit
    gain = []
    for seed in range(8):
        pairs, names = sampled(matrix, 120, seed)
        counts = np.ones((size, size))
        for true, answer in pairs:
            counts[names.index(true), names.index(answer)] += 1
        fitted, counted = np.array(ConfusionMatrix.fit(pairs, names).rows), counts / counts.sum(1, keepdims=True)
        # Mean ln P(answer | true) of all entity answers to come.
        gain.append(
            [(matrix * np.log(rows))[1:].sum() / (size - 1) for rows in (fitted, counted, np.full_like(matrix, 1 / size))]
        )
    fitted_mean, *others = np.mean(gain, axis=0)
    assert fitted_mean > max(others) + 0.2


def test_a_type_without_answers_is_taken_to_be_known_as_well_as_the_others() -> None:
    pairs = [("LOC", "LOC")] * 90 + [("LOC", "PER")] * 10 + [("PER", "PER")] * 50 + [("O", "O")] * 30 + [("O", "LOC")] * 20
    rows = ConfusionMatrix.fit(pairs, NAMES).rows
    assert rows[1][1] == pytest.approx(0.9, abs=0.03)
    assert rows[3][3] > 0.7
    assert rows[3][1] < 0.2
    # No answer at all is no knowledge at all.
    assert ConfusionMatrix.fit([], NAMES) == ConfusionMatrix.from_accuracy(1 / SIZE, NAMES)


def test_fitting_takes_answers_by_habit_for_what_they_are() -> None:
    habit = np.array([0.1, 0.6, 0.2, 0.1])
    spread = []
    for seed in range(5):
        rows = np.array(ConfusionMatrix.fit(*sampled(np.tile(habit, (SIZE, 1)), 400, seed)).rows)
        spread.append(rows.max(0) / rows.min(0))
    # The answers say next to nothing about the truth.
    assert np.median(spread) < 1.2
    assert np.max(spread) < 2.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=15))
def test_a_fitted_matrix_survives_its_own_dict(pairs: list[tuple[str, str]]) -> None:
    matrix = ConfusionMatrix.fit(pairs, NAMES)
    assert ConfusionMatrix.from_dict(matrix.to_dict()) == matrix
    assert all(min(row) > 0 for row in matrix.rows)


def test_fitting_refuses_unknown_labels_and_matrices_of_a_wrong_shape() -> None:
    with pytest.raises(LlmError, match="'X'"):
        ConfusionMatrix.fit([("X", "LOC")], NAMES)
    with pytest.raises(LlmError, match="4 rows of 4"):
        ConfusionMatrix(NAMES, ((1.0,),))
    with pytest.raises(LlmError, match="sum to 1"):
        ConfusionMatrix(("O", "X"), ((1.0, 0.5), (0.0, 1.0)))


@given(distributions(), st.integers(0, SIZE - 1))
def test_replace_takes_the_answer_and_keeps_the_local_confidence(p: tuple[float, ...], answer: int) -> None:
    fused = fuse_replace(p, top(p), answer, ConfusionMatrix.from_accuracy(0.5, NAMES))
    assert fused.label == answer
    assert fused.distribution[answer] == max(p)
    assert sorted(fused.distribution) == sorted(p)


def fuse_all(
    row: list[Candidate], answers: dict[int, str], accuracy: float | None = None, decoding: str = "flat"
) -> list[Candidate]:
    fuse = fuse_replace if accuracy is None else fuse_bayes
    matrix = ConfusionMatrix.from_accuracy(accuracy or 0.5, NAMES)
    fused = {i: fuse(row[i].distribution, NAMES.index(row[i].label), NAMES.index(a), matrix) for i, a in answers.items()}
    return resolve_again(row, fused, NAMES, decoding)


def chosen(row: list[Candidate]) -> list[tuple[int, int, str]]:
    return [(c.start, c.end, c.label) for c in row if c.is_entity]


def test_overlap_an_accepted_span_pushes_out_the_entity_it_overlaps() -> None:
    row = [candidate(0, 4, "LOC", 0.6), candidate(2, 6, "O", 0.5)]
    assert chosen(fuse_all(row, {1: "PER"})) == [(2, 6, "PER")]
    assert chosen(fuse_all(row, {1: "PER"}, accuracy=0.99)) == [(2, 6, "PER")]
    assert chosen(fuse_all(row, {1: "O"})) == [(0, 4, "LOC")]


def test_overlap_a_deleted_entity_makes_room_for_the_one_it_had_pushed_out() -> None:
    row = [candidate(0, 4, "LOC", 0.7), candidate(2, 6, "PER", 0.6, chosen=False)]
    assert chosen(fuse_all(row, {0: "O"})) == [(2, 6, "PER")]
    assert chosen(fuse_all(row, {0: "O"}, accuracy=0.999)) == [(2, 6, "PER")]


def test_overlap_a_confirmed_entity_stays_although_its_rival_is_locally_more_probable() -> None:
    # The ensemble chose by votes, so that the loser may well have the larger probability.
    row = [candidate(0, 4, "LOC", 0.5, weight=3.0), candidate(2, 6, "PER", 0.95, weight=2.5, chosen=False)]
    assert chosen(fuse_all(row, {0: "LOC"})) == [(0, 4, "LOC")]
    assert chosen(fuse_all(row, {0: "LOC"}, accuracy=0.7)) == [(0, 4, "LOC")]


def test_overlap_nested_decoding_keeps_what_lies_inside() -> None:
    row = [candidate(0, 6, "ORG", 0.7), candidate(0, 2, "O", 0.6), candidate(4, 8, "O", 0.6)]
    assert chosen(fuse_all(row, {1: "LOC"}, decoding="nested")) == [(0, 6, "ORG"), (0, 2, "LOC")]
    assert (0, 6, "ORG") not in chosen(fuse_all(row, {2: "LOC"}, decoding="nested"))


@st.composite
def rows(draw: st.DrawFn) -> tuple[list[Candidate], str]:
    """Candidates whose chosen ones are the best set under their weights, as `decide` leaves them."""
    decoding = draw(st.sampled_from(["flat", "nested"]))
    spans = draw(
        st.sets(st.tuples(st.integers(0, 11), st.integers(1, 5)).map(lambda s: (s[0], s[0] + s[1])), min_size=1, max_size=8)
    )
    row: list[Candidate] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        label = draw(st.sampled_from(NAMES))
        weight = 0.0 if label == "O" else draw(st.floats(0.01, 14.0))
        row.append(candidate(start, end, label, draw(st.floats(0.3, 0.99)), weight=weight))
    best = RESOLVERS[decoding]([(c.start, c.end) for c in row], [c.weight for c in row])
    return [replace(c, is_entity=i in best) for i, c in enumerate(row)], decoding


def _compatible(a: tuple[int, int], b: tuple[int, int], decoding: str) -> bool:
    apart = a[1] <= b[0] or b[1] <= a[0]
    inside = (a[0] <= b[0] and b[1] <= a[1]) or (b[0] <= a[0] and a[1] <= b[1])
    return apart or (decoding == "nested" and inside)


@given(rows(), st.data())
def test_answers_at_chance_keep_the_local_entities_whatever_they_are(
    given_rows: tuple[list[Candidate], str], data: st.DataObject
) -> None:
    row, decoding = given_rows
    answers = {i: data.draw(st.sampled_from(NAMES)) for i in range(len(row)) if data.draw(st.booleans())}
    assert fuse_all(row, answers, accuracy=1 / SIZE, decoding=decoding) == row


@given(rows(), st.data())
def test_entities_never_conflict_and_are_never_o(given_rows: tuple[list[Candidate], str], data: st.DataObject) -> None:
    row, decoding = given_rows
    answers = {i: data.draw(st.sampled_from(NAMES)) for i in range(len(row))}
    for accuracy in (None, 0.6, 1.0):
        final = [c for c in fuse_all(row, answers, accuracy, decoding) if c.is_entity]
        assert all(c.label != "O" for c in final)
        for i, one in enumerate(final):
            assert all(_compatible((one.start, one.end), (c.start, c.end), decoding) for c in final[i + 1 :])
            assert (
                accuracy == 0.6
                or one.label == answers[row.index(next(c for c in row if (c.start, c.end) == (one.start, one.end)))]
            )


@given(rows())
def test_confirming_every_entity_keeps_every_entity(given_rows: tuple[list[Candidate], str]) -> None:
    row, decoding = given_rows
    answers = {i: c.label for i, c in enumerate(row) if c.is_entity}
    for accuracy in (None, 0.5, 0.9, 1.0):
        assert chosen(fuse_all(row, answers, accuracy, decoding)) == chosen(row)


@pytest.mark.parametrize("decoding", ["flat", "nested"])
@pytest.mark.parametrize("strategy", sorted(set(COMBINERS) & {"score", "majority"}))
def test_what_the_ensemble_chose_is_kept_by_chance_and_by_agreement(strategy: str, decoding: str) -> None:
    """Candidates from the combiners themselves, with votes and scores at odds."""
    dice = np.random.default_rng(5)
    changed = 0
    for _ in range(150):
        spans = sorted({(int(s), int(s + n)) for s, n in zip(dice.integers(0, 14, 9), dice.integers(1, 7, 9), strict=True)})
        count = len(spans)
        probabilities = dice.dirichlet(np.full(SIZE, 0.5), (3, count))
        ballot = Ballot(
            np.array([(0, *span) for span in spans]),
            np.where(dice.random((3, count)) < 0.3, 0, dice.integers(0, SIZE, (3, count))),
            dice.normal(0, 3, (count, SIZE)),
            probabilities,
            None,
        )
        (row,) = decide(ballot, 1, NAMES, ["a", "b", "c"], DecisionSettings(strategy, decoding))
        answers = {i: NAMES[dice.integers(SIZE)] for i in range(count)}
        assert fuse_all(row, answers, accuracy=1 / SIZE, decoding=decoding) == row
        agreeing = {i: c.label for i, c in enumerate(row) if c.is_entity}
        assert chosen(fuse_all(row, agreeing, accuracy=0.8, decoding=decoding)) == chosen(row)
        changed += chosen(fuse_all(row, answers, accuracy=0.9, decoding=decoding)) != chosen(row)
    # The same candidates do change where the answers say something.
    assert changed > 100
