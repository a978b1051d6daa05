"""τ that promises which share of errors lies above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hybridner.ensemble.ballot import Floats
from hybridner.errors import ModelError


def conformal_threshold(uncertainty_of_errors: Sequence[float] | Floats, alpha: float) -> float:
    """τ above which a new error lies with probability of at least 1 - alpha (split conformal prediction, Vovk et al., 2005).

    The guarantee holds on average over calibration sets, for an error exchangeable with the n given ones: τ is the ⌊alpha · (n +
    1)⌋-th smallest of their uncertainties, and a new one is at most that with probability of at most alpha. With too few errors
    (n + 1 < 1 / alpha) nothing can be promised short of routing everything: τ is 0, and an error with u = 0 may still slip
    through.

    Args:
        uncertainty_of_errors: of the wrong entities of the calibration set.
        alpha: share of errors that may be kept unseen, between 0 and 1.

    Raises:
        ModelError: alpha is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ModelError(f"the share of errors to miss must lie between 0 and 1, not {alpha!r}")
    values = np.sort(np.asarray(uncertainty_of_errors, dtype=float))
    rank = int(np.floor(alpha * (len(values) + 1)))
    if rank < 1:
        return 0.0
    # Just below that value, so that it is itself above τ: ties must not break the promise.
    return float(np.clip(np.nextafter(values[rank - 1], -1.0), 0.0, 1.0))


def conformal_thresholds(errors: Mapping[str, Sequence[float]], alpha: float) -> dict[str, float]:
    """As `conformal_threshold` for each label by itself (Mondrian conformal prediction), where it has enough errors to promise
    anything.

    Args:
        errors: uncertainties of the wrong entities of each label.
    """
    return {
        label: conformal_threshold(values, alpha) for label, values in sorted(errors.items()) if alpha * (len(values) + 1) >= 1
    }
