"""How far probabilities and uncertainties can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from hybridner.ensemble.ballot import Floats

_BINS = 10


def reliability(scores: Sequence[float] | Floats, correct: Sequence[float] | np.ndarray) -> dict[str, Any]:
    """How often things of about the same score are right, and the expected calibration error (ECE).

    Args:
        scores: probabilities in [0, 1].
        correct: 1 or 0 for each.

    Returns:
        `bins`: for each tenth of [0, 1] that is not empty its borders, number, mean score and share right; `ece` in [0, 1].
    """
    values, right = np.asarray(scores, dtype=float), np.asarray(correct, dtype=float)
    places = np.minimum((values * _BINS).astype(int), _BINS - 1)
    bins: list[dict[str, float]] = []
    for place in range(_BINS):
        inside = places == place
        if inside.any():
            bins.append(
                {
                    "from": place / _BINS,
                    "to": (place + 1) / _BINS,
                    "entities": int(inside.sum()),
                    "score": float(values[inside].mean()),
                    "correct": float(right[inside].mean()),
                }
            )
    gap = sum(b["entities"] * abs(b["score"] - b["correct"]) for b in bins)
    return {"bins": bins, "ece": gap / len(values) if len(values) else 0.0}


@dataclass(frozen=True)
class Detection:
    """How well an uncertainty finds errors: areas under the ROC and the precision-recall curve, the number of errors and of
    all."""

    auroc: float
    aupr: float
    errors: int
    total: int


def detection(uncertainty: Sequence[float] | Floats, error: Sequence[bool] | np.ndarray) -> Detection:
    """Rank by uncertainty, look for errors. AUROC is 0.5 and AUPR the share of errors for an uncertainty that knows nothing;
    both are NaN where there are no errors, or nothing else."""
    values, wrong = np.asarray(uncertainty, dtype=float), np.asarray(error, dtype=bool)
    errors, total = int(wrong.sum()), len(wrong)
    if errors in (0, total):
        return Detection(float("nan"), float("nan"), errors, total)
    auroc = (rankdata(values)[wrong].sum() - errors * (errors + 1) / 2) / (errors * (total - errors))
    # Average precision; of equal values all are taken at once.
    order = np.argsort(-values, kind="stable")
    last_of_equal = np.append(np.diff(values[order]) != 0, True)
    caught = wrong[order].cumsum()[last_of_equal]
    taken = np.flatnonzero(last_of_equal) + 1
    steps = np.diff(np.concatenate([[0], caught]))
    return Detection(float(auroc), float((steps * caught / taken).sum() / errors), errors, total)
