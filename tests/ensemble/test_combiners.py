from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

from hybridner.ensemble import (
    ABSTAIN,
    COMBINERS,
    STACKERS,
    UNFITTED,
    Ballot,
    CombinerWeights,
    DecisionSettings,
    PoolWeights,
    decide,
    select_entities,
)
from hybridner.ensemble.uncertainty import UNCERTAINTIES, ScoringContext
from hybridner.errors import ModelError

MEMBERS, LABELS = 4, 4
NAMES = ("O", "LOC", "ORG", "PER")
#: Weights of members that are all alike.
WEIGHTS = CombinerWeights(
    priors=np.array([0.7, 0.1, 0.1, 0.1]),
    f1=np.full(MEMBERS, 0.8),
    class_f1=np.full((MEMBERS, LABELS), 0.8),
    pool=PoolWeights(np.tile([0.8, 0.2], (MEMBERS, 1)), np.array([0.9, -0.2, 0.1] + [0.1, 0.3] * MEMBERS), 0.25),
)
STRATEGIES = [name for name in COMBINERS if name not in STACKERS]


def a_ballot(votes: list[list[int]], logits: list[list[float]], spans: list[tuple[int, int, int]] | None = None) -> Ballot:
    """Candidates down, members across."""
    count = len(votes)
    spans = spans or [(0, 2 * i, 2 * i + 2) for i in range(count)]
    scores = np.array(logits, dtype=float)
    softmax = np.exp(scores - scores.max(1, keepdims=True))
    softmax /= softmax.sum(1, keepdims=True)
    return Ballot(np.array(spans), np.array(votes).T, scores, np.repeat(softmax[None], len(votes[0]), axis=0), None)


@st.composite
def ballots(draw: st.DrawFn) -> Ballot:
    count = draw(st.integers(1, 5))
    votes = draw(arrays(np.int64, (count, MEMBERS), elements=st.integers(0, LABELS - 1)))
    logits = draw(arrays(np.float64, (count, LABELS), elements=st.floats(-900, 900)))
    return a_ballot(votes.tolist(), logits.tolist())


def test_the_example_of_the_paper() -> None:
    """Section 2.4.3: Ŷ = {LOC, LOC, ORG, O} for "Shang Hai"; P(l) adds up exp(sᵀl) over the votes for l."""
    scores = {"O": 0.3, "LOC": 1.0, "ORG": 1.2, "PER": 2.0}
    ballot = a_ballot([[1, 1, 2, 0]], [list(scores.values())])
    mass = {"O": np.exp(0.3), "LOC": 2 * np.exp(1.0), "ORG": np.exp(1.2), "PER": 0.0}
    expected = [mass[name] / sum(mass.values()) for name in NAMES]
    np.testing.assert_allclose(np.exp(COMBINERS["score"](ballot))[0], expected)
    assert NAMES[COMBINERS["score"](ballot)[0].argmax()] == "LOC"


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(ballot=ballots())
def test_every_strategy_gives_a_distribution_however_large_the_scores(strategy: str, ballot: Ballot) -> None:
    probability = np.exp(COMBINERS[strategy](ballot, WEIGHTS))
    assert np.isfinite(probability).all()
    np.testing.assert_allclose(probability.sum(1), 1.0)


@pytest.mark.parametrize("strategy", ["score", "majority", "f1", "class_f1", "score_f1"])
@given(ballot=ballots())
def test_nobodys_label_never_wins(strategy: str, ballot: Ballot) -> None:
    winner = COMBINERS[strategy](ballot, WEIGHTS).argmax(1)
    assert all(label in votes for label, votes in zip(winner, ballot.votes.T, strict=True))


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(ballot=ballots(), order=st.permutations(range(MEMBERS)))
def test_the_order_of_the_members_does_not_matter(strategy: str, ballot: Ballot, order: list[int]) -> None:
    other = Ballot(ballot.spans, ballot.votes[order], ballot.logits, ballot.probabilities[order], None)
    np.testing.assert_allclose(
        np.exp(COMBINERS[strategy](ballot, WEIGHTS)), np.exp(COMBINERS[strategy](other, WEIGHTS)), atol=1e-12
    )


@given(ballot=ballots())
def test_equal_scores_leave_the_count_of_votes(ballot: Ballot) -> None:
    flat = Ballot(ballot.spans, ballot.votes, np.zeros_like(ballot.logits), ballot.probabilities, None)
    np.testing.assert_allclose(np.exp(COMBINERS["score"](flat)), flat.vote_counts / MEMBERS)


def test_majority_counts_and_breaks_ties_for_outside() -> None:
    votes = [[1, 1, 2, 3], [0, 0, 2, 2], [1, 2, 3, 0], [1, 1, 2, 2]]
    ballot = a_ballot(votes, [[0.0, 0.0, 0.0, 9.0]] * 3 + [[0, 0, 1, 0]])
    assert COMBINERS["majority"](ballot).argmax(1).tolist() == [1, 0, 0, 2]


def test_priors_break_ties() -> None:
    ballot = a_ballot([[1, 1, 2, 2], [0, 0, 2, 2]], [[0.0, 0.0, 0.0, 0.0]] * 2)
    often = WEIGHTS.priors[[1, 3, 0, 2]]  # LOC rare, ORG frequent
    weights = CombinerWeights(often, WEIGHTS.f1, WEIGHTS.class_f1, WEIGHTS.pool)
    assert COMBINERS["majority"](ballot, weights).argmax(1).tolist() == [2, 2]


def test_the_weight_of_the_better_members_wins() -> None:
    ballot = a_ballot([[1, 1, 2, 2]], [[0.0, 0.0, 0.0, 0.0]])
    better = CombinerWeights(WEIGHTS.priors, np.array([0.5, 0.6, 0.8, 0.4]), WEIGHTS.class_f1, WEIGHTS.pool)
    np.testing.assert_allclose(np.exp(COMBINERS["f1"](ballot, better)), [[0, 1.1 / 2.3, 1.2 / 2.3, 0]])
    by_class = WEIGHTS.class_f1.copy()
    by_class[:2, 1], by_class[2:, 2] = 0.9, 0.3
    np.testing.assert_allclose(
        np.exp(COMBINERS["class_f1"](ballot, CombinerWeights(WEIGHTS.priors, WEIGHTS.f1, by_class, WEIGHTS.pool))),
        [[0, 0.75, 0.25, 0]],
    )


def test_the_released_combiner_adds_probability_and_f1_for_each_vote() -> None:
    ballot = a_ballot([[1, 1, 2, 0]], [[0.3, 1.0, 1.2, 2.0]])
    p = np.exp([0.3, 1.0, 1.2, 2.0]) / np.exp([0.3, 1.0, 1.2, 2.0]).sum()
    mass = np.array([0.8 * p[0] + 0.8, 2 * (0.8 * p[1] + 0.8), 0.8 * p[2] + 0.8, 0.0])
    np.testing.assert_allclose(np.exp(COMBINERS["score_f1"](ballot, WEIGHTS))[0], mass / mass.sum())


@pytest.mark.parametrize("strategy", [name for name in COMBINERS if name not in UNFITTED])
def test_a_strategy_without_its_weights_says_what_to_do(strategy: str) -> None:
    with pytest.raises(ModelError, match="hybridner calibrate"):
        COMBINERS[strategy](a_ballot([[1, 1, 1, 1]], [[0.0, 1.0, 0.0, 0.0]]), None)
    if strategy in STACKERS:
        with pytest.raises(ModelError, match=f"--stacker {strategy}"):
            COMBINERS[strategy](a_ballot([[1, 1, 1, 1]], [[0.0, 1.0, 0.0, 0.0]]), WEIGHTS)


@given(ballot=ballots())
def test_all_uncertainties_lie_between_0_and_1(ballot: Ballot) -> None:
    combined = COMBINERS["score"](ballot)
    context = ScoringContext(ballot, combined, ballot.mean_probabilities, combined.argmax(1))
    found = {name: measure(context) for name, measure in UNCERTAINTIES.items()}
    assert all(((values >= 0) & (values <= 1)).all() for values in found.values())
    softmax = np.exp(ballot.logits - ballot.logits.max(1, keepdims=True))
    np.testing.assert_allclose(found["spanner"], 1 - (softmax / softmax.sum(1, keepdims=True)).max(1), atol=1e-12)
    unanimous = (ballot.votes == ballot.votes[0]).all(axis=0)
    np.testing.assert_array_equal(found["disagreement"] == 0, unanimous)


@pytest.mark.parametrize("logits", [[0.0, 800.0, 0.0], [0.0, 37.0, 0.0], [0.0, 1.0, 36.9]])
def test_a_sure_scorer_has_no_doubt_and_no_minus_zero(logits: list[float]) -> None:
    votes, scores = np.array([[1]]), np.array([logits])
    ballot = Ballot(np.array([[0, 0, 2]]), votes, scores, np.exp(log_softmax(scores, axis=1))[None], 0)
    combined = COMBINERS["score"](ballot)
    context = ScoringContext(ballot, combined, ballot.mean_probabilities, combined.argmax(1))
    for name, measure in UNCERTAINTIES.items():
        assert not np.signbit(measure(context)).any(), name


@given(ballot=ballots(), temperature=st.floats(0.05, 20))
def test_tempering_keeps_the_order_of_labels(ballot: Ballot, temperature: float) -> None:
    scaled = ballot.with_temperature(temperature)
    np.testing.assert_allclose(scaled.logits * temperature, ballot.logits, atol=1e-12)
    np.testing.assert_array_equal(ballot.with_temperature(1.0).logits, ballot.logits)


def test_decisions_of_a_batch_stay_with_their_texts() -> None:
    spans = [(1, 0, 3), (0, 5, 6), (1, 2, 4), (0, 0, 2)]
    logits = [[0, 9.0, 0, 0], [9.0, 0, 0, 1], [0, 0, 5.0, 0], [0, 0, 0, 8.0]]
    ballot = a_ballot([[1, 1, 1, 1], [0, 0, 0, 0], [2, 2, 0, 0], [3, 3, 3, ABSTAIN]], logits, spans)
    first, second, third = decide(ballot, 3, NAMES, ("a", "b", "c", "d"), DecisionSettings())
    assert [(c.start, c.end, c.label, c.is_entity) for c in first] == [(0, 2, "PER", True), (5, 6, "O", False)]
    assert [(c.start, c.end, c.label, c.is_entity) for c in second] == [(0, 3, "LOC", True), (2, 4, "ORG", False)]
    assert third == []
    assert first[0].votes == {"a": "PER", "b": "PER", "c": "PER"}
    assert [c.label for c in select_entities(second)] == ["LOC"]


@given(ballot=ballots(), strategy=st.sampled_from(STRATEGIES))
def test_the_combined_label_is_the_most_probable_one(ballot: Ballot, strategy: str) -> None:
    for candidate in decide(ballot, 1, NAMES, "abcd", DecisionSettings(strategy, weights=WEIGHTS))[0]:
        assert NAMES[int(np.argmax(candidate.distribution))] == candidate.label or candidate.score == pytest.approx(
            candidate.distribution[NAMES.index(candidate.label)]
        )
        assert sum(candidate.distribution) == pytest.approx(1.0)
        assert candidate.score == max(candidate.distribution)
