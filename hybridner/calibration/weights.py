"""Fitting the weights of the combining strategies on out-of-fold (or dev) predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from hybridner.calibration.pool import fit_pool
from hybridner.ensemble import CombinerWeights, Predictions
from hybridner.ensemble.ballot import Floats

#: A member's F1 on a label counts fully once the label has far more gold entities than this; below, its overall F1 stands in.
_F1_PRIOR_COUNT = 10.0


def fit_combiner(predictions: Predictions, decoding: str = "flat") -> CombinerWeights:
    """Fit all weights on predictions that no member was trained for (out of fold, or dev).

    Args:
        predictions: labelled, of N sentences.
        decoding: "flat" or "nested": how entities will be chosen.

    Examples:
        >>> fit_combiner(predictions).f1.shape
        (4,)
    """
    counts = np.bincount(predictions.gold, minlength=predictions.ballot.num_labels).astype(np.float64)
    overall, per_class = member_f1(predictions)
    return CombinerWeights((counts + 1) / (counts + 1).sum(), overall, per_class, fit_pool(predictions, decoding))


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
