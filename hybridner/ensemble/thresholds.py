"""Choosing τ on predictions that no member was trained for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hybridner.ensemble.adaptive import AdaptiveThreshold
from hybridner.ensemble.ballot import Floats
from hybridner.errors import ModelError


@dataclass(frozen=True)
class LabelThresholds:
    """τ of single labels, and one for all others."""

    default: float
    by_label: Mapping[str, float]

    def judge(self, label: str, uncertainty: float) -> bool:
        """Whether a span with this label is doubtful."""
        return uncertainty > self.by_label.get(label, self.default)


#: τ for all spans, by label, or one that follows the stream.
Threshold = float | LabelThresholds | AdaptiveThreshold


def for_count(uncertainty: Sequence[float] | Floats, count: int) -> float:
    """The smallest τ with at most `count` of the uncertainties above it."""
    values = np.sort(np.asarray(uncertainty, dtype=float))[::-1]
    if count >= len(values):
        return 0.0
    return float(np.clip(values[max(count, 0)], 0.0, 1.0))


def conformal(uncertainty_of_errors: Sequence[float] | Floats, miss: float) -> float:
    """τ above which a new error lies with probability of at least 1 - `miss` (split conformal prediction, Vovk et al., 2005).

    The guarantee holds on average over calibration sets, for an error exchangeable with the n given ones: τ is the ⌊miss · (n +
    1)⌋-th smallest of their uncertainties, and a new one is at most that with probability of at most `miss`. With too few errors
    (n + 1 < 1 / miss) nothing can be promised short of routing everything: τ is 0, and an error with u = 0 may still slip
    through.

    Args:
        uncertainty_of_errors: of the wrong entities of the calibration set.
        miss: share of errors that may be kept unseen, between 0 and 1.

    Raises:
        ModelError: `miss` is not between 0 and 1.
    """
    if not 0 < miss < 1:
        raise ModelError(f"the share of errors to miss must lie between 0 and 1, not {miss!r}")
    values = np.sort(np.asarray(uncertainty_of_errors, dtype=float))
    rank = int(np.floor(miss * (len(values) + 1)))
    if rank < 1:
        return 0.0
    # Just below that value, so that it is itself above τ: ties must not break the promise.
    return float(np.clip(np.nextafter(values[rank - 1], -1.0), 0.0, 1.0))


def conformal_by_label(errors: Mapping[str, Sequence[float]], miss: float) -> dict[str, float]:
    """As `conformal` for each label by itself (Mondrian conformal prediction), where it has enough errors to promise anything.

    Args:
        errors: uncertainties of the wrong entities of each label.
    """
    return {label: conformal(values, miss) for label, values in sorted(errors.items()) if miss * (len(values) + 1) >= 1}
