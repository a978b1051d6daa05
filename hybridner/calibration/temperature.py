"""The temperature that makes SpanNER's probabilities trustworthy."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from hybridner.ensemble.ballot import Floats, Integers

#: ln T is searched between these.
_LOG_RANGE = (-3.0, 3.0)


def fit_temperature(logits: Floats, gold: Integers) -> float:
    """T of the largest likelihood of softmax(logits / T) (Guo et al., 2017).

    Args:
        logits: [C, K + 1]; rows of zeros (spans SpanNER cannot score) say nothing and are left out.
        gold: [C] label numbers.

    Returns:
        T > 0; 1 when there is nothing to fit on.

    Examples:
        >>> round(fit_temperature(predictions.ballot.logits, predictions.gold)) in (1, 2, 3)
        True
    """
    scored = np.ptp(logits, axis=1) > 0 if len(logits) else np.zeros(0, dtype=bool)
    if not scored.any():
        return 1.0
    kept, truth = logits[scored], gold[scored]

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(kept / np.exp(log_temperature), axis=1)[np.arange(len(truth)), truth].mean())

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_RANGE, method="bounded").x))
