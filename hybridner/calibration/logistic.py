"""Logistic regression by maximum penalised likelihood."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from hybridner.ensemble.ballot import Floats


def fit_logistic(
    features: Floats, is_positive: np.ndarray, importance: Floats, ridge: float, offset: Floats | float = 0.0
) -> tuple[Floats, float]:
    """Weights and intercept: P(positive) = σ(features · weights + intercept + offset).

    Args:
        features: [N, F] of any scale; the penalty is on them standardised.
        is_positive: [N] bool.
        importance: [N] of each row, 1 in all.
        ridge: how strongly the weights are held to 0, and ten times less the intercept.
        offset: [N] log-odds that are known from elsewhere.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    scaled = np.concatenate([(features - mean) / scale, np.ones((len(features), 1))], axis=1)
    held = np.full(scaled.shape[1], ridge)
    held[-1] /= 10
    sign = np.where(is_positive, 1.0, -1.0)

    def loss(weights: Floats) -> tuple[float, Floats]:
        margin = sign * (scaled @ weights + offset)
        slope = -importance * sign * expit(-margin)
        value = float(importance @ np.logaddexp(0.0, -margin) + 0.5 * held @ weights**2)
        return value, slope @ scaled + held * weights

    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True, method="L-BFGS-B").x
    weights = found[:-1] / scale
    return np.asarray(weights), float(found[-1] - mean @ weights)
