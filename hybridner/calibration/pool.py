"""Fitting the pool: calibrate each member, weigh, and choose the shift of the highest expected F1."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from hybridner.ensemble import Ballot, PoolWeights, Predictions
from hybridner.ensemble.ballot import Floats, Integers
from hybridner.ensemble.pool import SHARED, log_probabilities, pool_features
from hybridner.spans import RESOLVERS

#: How strongly numbers are held to their start, in nats per squared unit: calibrations and the coefficients that all members
#: share, and the coefficients of one member. The first can be told from dozens of entities; the second only from many, or where
#: a member stands out.
_RIDGE, _MEMBER_RIDGE = 3.0, 20.0
#: Shifts tried, in nats.
_SHIFTS = tuple(step / 8 for step in range(17))


def fit_pool(predictions: Predictions, decoding: str = "flat") -> PoolWeights:
    """Fit the pool on predictions that no member was trained for (out of fold, or dev).

    Both steps are convex: penalised maximum likelihood, first of each member's calibration, then of the coefficients. With no
    sentence at all the result is the members' plain average.

    Args:
        predictions: labelled, of N sentences.
        decoding: "flat" or "nested": how entities will be chosen.

    Examples:
        >>> fit_pool(predictions).calibration.shape
        (4, 2)
    """
    ballot, gold = predictions.ballot, predictions.gold
    plain = PoolWeights.plain(len(ballot.votes))
    calibration = _fit_calibration(ballot, gold)
    ridge = np.full(len(plain.coefficients), _MEMBER_RIDGE)
    ridge[:SHARED] = _RIDGE
    features = pool_features(ballot, calibration)
    coefficients = _most_likely(features, gold, plain.coefficients, ridge)
    return PoolWeights(calibration, coefficients, _fit_shift(features @ coefficients, predictions, decoding))


def _fit_calibration(ballot: Ballot, gold: Integers) -> Floats:
    """[m, 2] of each member, on the spans it can score."""
    found = []
    for logs, scored in zip(log_probabilities(ballot), ballot.can_score, strict=True):
        features = np.zeros((int(scored.sum()), logs.shape[1], 2))
        features[:, :, 0] = logs[scored]
        features[:, 0, 1] = 1.0
        found.append(_most_likely(features, gold[scored], np.array([1.0, 0.0]), np.full(2, _RIDGE)))
    return np.array(found)


def _most_likely(features: Floats, gold: Integers, start: Floats, ridge: Floats) -> Floats:
    """[P] coefficients of the largest penalised likelihood of softmax(features @ coefficients), held to `start`."""
    rows = np.arange(len(gold))
    gold_features = features[rows, gold].sum(axis=0)

    def loss(weights: Floats) -> tuple[float, Floats]:
        log_probs = log_softmax(features @ weights, axis=1)
        distance = weights - start
        expected = np.tensordot(np.exp(log_probs), features, axes=([0, 1], [0, 1]))
        value = -log_probs[rows, gold].sum() + (ridge * distance**2).sum()
        return float(value), expected - gold_features + 2 * ridge * distance

    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x)


def _fit_shift(scores: Floats, predictions: Predictions, decoding: str) -> float:
    """The shift of the highest expected F1 after decoding; of equal ones the smallest.

    Expected by the pool's own probabilities: counting what is really right would follow the chance of a few hundred sentences.
    """
    ballot = predictions.ballot
    spans = [(start, end) for _, start, end in ballot.spans.tolist()]
    borders = np.searchsorted(ballot.spans[:, 0], np.arange(len(predictions) + 1)).tolist()
    label = scores[:, 1:].argmax(axis=1) + 1
    odds = np.take_along_axis(scores, label[:, None], axis=1)[:, 0] - scores[:, 0]
    probability = np.exp(log_softmax(scores, axis=1))[np.arange(len(scores)), label]
    total = sum(len(record.entities) for record in predictions.records)

    def f1(shift: float) -> float:
        weights = (odds + shift).tolist()
        chosen = [
            low + index for low, high in pairwise(borders) for index in RESOLVERS[decoding](spans[low:high], weights[low:high])
        ]
        size = len(chosen) + total
        return float(2 * probability[chosen].sum() / size) if size else 0.0

    return max(_SHIFTS, key=f1)
