from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from hybridner.calibration import fit_pool
from hybridner.ensemble import (
    ABSTAIN,
    COMBINERS,
    Ballot,
    CombinerWeights,
    DecisionSettings,
    PoolWeights,
    Predictions,
    decide_predictions,
    select_entities,
)
from hybridner.ensemble.pool import calibrated, pool_features
from hybridner.evaluation import score_spans
from hybridner.spans import Span
from tests.support.predictions import made_up_predictions

#: The last member's logits are doubled: it overstates.
QUALITY = (0.9, 0.75, 0.6, 0.8)


def combiner_weights(pool: PoolWeights) -> CombinerWeights:
    """Made-up weights of the other strategies around it."""
    members = len(pool.calibration)
    return CombinerWeights(np.full(4, 0.25), np.full(members, 0.8), np.full((members, 4), 0.8), pool)


def f1(pool: PoolWeights | None, predictions: Predictions, strategy: str = "pool") -> float:
    weights = None if pool is None else combiner_weights(pool)
    found = decide_predictions(predictions, DecisionSettings(strategy, weights=weights))
    gold = [record.entities for record in predictions.records]
    return score_spans(gold, [[Span(c.start, c.end, c.label) for c in select_entities(row)] for row in found]).micro.f1


def log_loss(pool: PoolWeights, predictions: Predictions) -> float:
    rows = np.arange(len(predictions.gold))
    return float(-np.log(pool.probabilities(predictions.ballot)[rows, predictions.gold]).mean())


def with_dictionary(predictions: Predictions, seed: int) -> Predictions:
    """And one more member that has votes alone: where it names a label it is nearly always right, and it mostly names none."""
    dice = np.random.default_rng(1000 + seed)
    ballot, gold = predictions.ballot, predictions.gold
    votes = np.where(dice.random(len(gold)) < 0.4, gold, 0)
    certain = np.eye(ballot.num_labels)[votes]
    ballot = replace(
        ballot,
        votes=np.concatenate([ballot.votes, votes[None]]),
        probabilities=np.concatenate([ballot.probabilities, certain[None]]),
    )
    return replace(predictions, ballot=ballot, members=(*predictions.members, "dictionary"))


def test_without_sentences_it_is_the_mean() -> None:
    predictions = made_up_predictions(50)
    nothing = fit_pool(predictions.select_records([]))
    np.testing.assert_allclose(nothing.coefficients, PoolWeights.plain(4).coefficients)
    assert nothing.shift == 0.0
    np.testing.assert_allclose(nothing.probabilities(predictions.ballot), predictions.ballot.mean_probabilities, atol=1e-6)


def test_calibration_finds_the_member_that_overstates() -> None:
    trust = fit_pool(made_up_predictions(1500, QUALITY)).calibration[:, 0]
    assert trust[3] == pytest.approx(0.5, abs=0.12)
    np.testing.assert_allclose(trust[:3], 1.0, atol=0.2)


def test_it_is_the_maximum_of_its_likelihood() -> None:
    """Against other coefficients near it, on what it was fitted on."""
    predictions = made_up_predictions(300, QUALITY)
    pool, rows = fit_pool(predictions), np.arange(len(predictions.gold))
    ridge = np.array([3.0] * 3 + [20.0] * 8)

    def loss(coefficients: np.ndarray) -> float:
        log = log_softmax(replace(pool, coefficients=coefficients).scores(predictions.ballot), axis=1)
        distance = coefficients - PoolWeights.plain(4).coefficients
        return float(-log[rows, predictions.gold].sum() + (ridge * distance**2).sum())

    best, dice = loss(pool.coefficients), np.random.default_rng(3)
    assert all(loss(pool.coefficients + dice.normal(0, 0.02, len(ridge))) > best for _ in range(30))


def test_its_probabilities_are_better_than_the_mean_on_other_sentences() -> None:
    here, there = made_up_predictions(300, QUALITY, seed=1), made_up_predictions(2000, QUALITY, seed=2)
    assert log_loss(fit_pool(here), there) < log_loss(PoolWeights.plain(4), there) - 0.05


@pytest.mark.parametrize("sentences", [20, 50, 100])
def test_few_sentences_do_no_harm(sentences: int) -> None:
    """Against the strategies that need none: never clearly below the better of them, whichever few sentences it was fitted on."""
    there = made_up_predictions(1000, QUALITY, seed=99)
    unfitted = max(f1(None, there, strategy) for strategy in ("score", "majority", "mean"))
    fitted = [f1(fit_pool(made_up_predictions(sentences, QUALITY, seed=seed)), there) for seed in range(5)]
    assert min(fitted) > unfitted - 0.015


def test_a_member_without_probabilities_counts_by_what_its_votes_are_worth() -> None:
    alone_here, alone_there = (made_up_predictions(500, (0.6,) * 4, seed=seed) for seed in (1, 2))
    here, there = with_dictionary(alone_here, 1), with_dictionary(alone_there, 2)
    pool = fit_pool(here)
    logs = calibrated(there.ballot, pool.calibration)[-1]
    votes, gold = there.ballot.votes[-1], there.gold
    silent = votes == 0
    assert np.exp(logs[silent, 0]).mean() == pytest.approx((gold[silent] == 0).mean(), abs=0.05)
    assert np.exp(logs[~silent, votes[~silent]]).mean() > 0.93
    assert f1(pool, there) > f1(fit_pool(alone_here), alone_there) + 0.04


def test_who_abstains_adds_nothing() -> None:
    predictions = made_up_predictions(100)
    pool = fit_pool(predictions)
    ballot = predictions.ballot
    votes = ballot.votes.copy()
    votes[3] = ABSTAIN
    dice = np.random.default_rng(0)
    noise = dice.dirichlet(np.ones(4), ballot.votes.shape[1])
    first, second = (
        replace(ballot, votes=votes, probabilities=np.concatenate([ballot.probabilities[:3], last[None]]))
        for last in (noise, noise[::-1])
    )
    np.testing.assert_array_equal(pool.scores(first), pool.scores(second))
    silent = Ballot(ballot.spans, np.full_like(votes, ABSTAIN), ballot.logits, ballot.probabilities, 3)
    assert np.ptp(pool_features(silent, pool.calibration)[:, :, [0, 1, *range(3, 11)]], axis=1).max() == 0.0


def test_the_shift_raises_f1_and_leaves_probabilities_alone() -> None:
    """Members that miss much: entities less probable than O are worth taking."""
    quality = (0.45, 0.4, 0.42, 0.4)
    here, there = made_up_predictions(500, quality, seed=10), made_up_predictions(1000, quality, seed=50)
    pool = fit_pool(here)
    assert pool.shift > 0
    unshifted = replace(pool, shift=0.0)
    assert f1(pool, there) > f1(unshifted, there)
    np.testing.assert_array_equal(pool.probabilities(there.ballot), unshifted.probabilities(there.ballot))
    log = COMBINERS["pool"](there.ballot, combiner_weights(pool))
    assert (log[:, 0] < COMBINERS["pool"](there.ballot, combiner_weights(unshifted))[:, 0]).all()
