"""Log-odds, cut off where certainty makes them infinite."""

from __future__ import annotations

import numpy as np

from hybridner.ensemble.ballot import Floats


def log_odds(log_p: Floats | float, log_q: Floats | float, limit: float) -> Floats:
    """ln p - ln q, within ±limit, so that what is certain still has a finite weight; 0 where both are impossible."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.clip(np.nan_to_num(np.subtract(log_p, log_q), posinf=limit, neginf=-limit), -limit, limit))
