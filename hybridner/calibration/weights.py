"""Fitting the weights of the combining strategies on out-of-fold (or dev) predictions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from hybridner.ensemble import Ballot, CombinerWeights, Predictions
from hybridner.ensemble.ballot import Floats
from hybridner.ensemble.weights import pool_features
from hybridner.spans import RESOLVERS

#: A member's F1 on a label counts fully once the label has far more gold entities than this; below, its overall F1 stands in.
_F1_PRIOR_COUNT = 10.0
#: Shifts tried for the pool, in nats.
_SHIFTS = tuple(step / 4 for step in range(9))
#: How strongly the pool's coefficients are held to their start, in nats per squared unit.
_RIDGE = 1.0


def fit_combiner(predictions: Predictions, decoding: str = "flat") -> CombinerWeights:
    """Fit all weights on predictions that no member was trained for (out of fold, or dev).

    Args:
        decoding: "flat" or "nested": how entities will be chosen.
    """
    ballot, gold = predictions.ballot, predictions.gold
    counts = np.bincount(gold, minlength=ballot.num_labels).astype(np.float64)
    overall, per_class = member_f1(predictions)
    coefficients = _fit_pool(ballot, gold)
    shift = _fit_shift(pool_features(ballot) @ coefficients, predictions, decoding)
    return CombinerWeights((counts + 1) / (counts + 1).sum(), overall, per_class, coefficients, shift)


def member_f1(predictions: Predictions) -> tuple[Floats, Floats]:
    """Each member's entity F1 [m], and by label [m, K + 1], smoothed; index 0 (O) holds the overall value.

    F1 of label c is (n·F1_c + α·F1) / (n + α) with n its gold entities and α = 10, so that a label that hardly occurs gets the
    member's overall F1.
    """
    ballot, size = predictions.ballot, predictions.ballot.num_labels
    numbers = {name: index for index, name in enumerate(predictions.labels)}
    support = np.zeros(size)
    for record in predictions.records:
        for span in record.entities:
            support[numbers[span.label]] += 1
    overall, per_class = [], []
    for votes in ballot.votes:
        proposed = np.bincount(votes[votes > 0], minlength=size).astype(np.float64)
        correct = np.bincount(votes[(votes > 0) & (votes == predictions.gold)], minlength=size).astype(np.float64)
        total = _ratio(2 * correct.sum(), proposed.sum() + support.sum())
        by_class = _ratio(2 * correct, proposed + support)
        smoothed = (support * by_class + _F1_PRIOR_COUNT * total) / (support + _F1_PRIOR_COUNT)
        smoothed[0] = total
        overall.append(total)
        per_class.append(smoothed)
    return np.array(overall).reshape(-1), np.array(per_class)


def _ratio(part: Any, whole: Any) -> Any:
    return np.divide(part, whole, out=np.zeros_like(np.asarray(whole, dtype=np.float64)), where=np.asarray(whole) > 0)


def _fit_pool(ballot: Ballot, gold: np.ndarray) -> Floats:
    """Coefficients of the largest penalised likelihood: a convex problem. Held to the plain geometric mean of the members."""
    features = pool_features(ballot)
    members = len(ballot.votes)
    start = np.zeros(features.shape[2])
    start[0:-1:2] = 1.0 / members
    rows = np.arange(len(gold))
    gold_features = features[rows, gold].sum(axis=0)

    def loss(weights: Floats) -> tuple[float, Floats]:
        log_probs = log_softmax(features @ weights, axis=1)
        penalty = weights - start
        expected = np.einsum("ck,ckp->p", np.exp(log_probs), features)
        value = -log_probs[rows, gold].sum() + _RIDGE * (penalty**2).sum()
        return float(value), expected - gold_features + 2 * _RIDGE * penalty

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
        return float(_ratio(2 * probability[chosen].sum(), len(chosen) + total))

    return max(_SHIFTS, key=f1)
