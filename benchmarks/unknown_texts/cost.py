"""What `ood_score` costs: CPU time of reading texts with and without it, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

from hybridner import HybridNerModel

_ROUNDS = 11


def measure(model: HybridNerModel, texts: Sequence[str]) -> dict[str, Any]:
    """Median seconds of CPU time of `predict`, and the share of it that `ood_score` takes: over the rounds the median, and the
    quartiles."""
    known = model.config.ood

    def seconds(ood: dict[str, Any] | None) -> float:
        model.config.ood = ood
        began = time.process_time()
        model.predict(texts)
        return time.process_time() - began

    pairs = []
    for number in range(_ROUNDS + 1):
        # First one, then the other goes first, so that a drift of the machine favours neither.
        sides = (known, None) if number % 2 else (None, known)
        times = {side is None: seconds(side) for side in sides}
        if number:
            pairs.append((times[False], times[True]))
    model.config.ood = known
    shares = sorted((with_it - without) / with_it for with_it, without in pairs)
    low, middle, high = statistics.quantiles(shares, n=4)
    return {
        "texts": len(texts),
        "characters": sum(map(len, texts)),
        "rounds": _ROUNDS,
        "seconds with": round(statistics.median(pair[0] for pair in pairs), 3),
        "seconds without": round(statistics.median(pair[1] for pair in pairs), 3),
        "share": round(middle, 4),
        "quartiles": [round(low, 4), round(high, 4)],
    }
