"""Whether `min_precision` keeps what it promises: many calibrations drawn from real decisions, each promise checked on all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hybridner.ensemble import SelectionTable
from hybridner.ensemble.ballot import Floats

PRECISIONS = (0.8, 0.9, 0.95, 0.98)
SIZES = (200, 1_000)
_DRAWS = 500


def measure(uncertainty: Floats, wrong: np.ndarray, texts: Sequence[int]) -> dict[str, Any]:
    """Calibrations of so many texts, drawn with replacement, so that the set itself is what the promise is about.

    Args:
        uncertainty: of each entity.
        wrong: whether it is.
        texts: the number of its text.

    Returns:
        for each size and precision: in which share of the calibrations something could be promised (`possible`), in which the
            promise was broken (`broken`, at most 0.1 is promised), and which share of the entities is given out on average.
    """
    rows: dict[int, list[int]] = {}
    for place, text in enumerate(texts):
        rows.setdefault(text, []).append(place)
    places = [np.array(found) for found in rows.values()]
    order = np.sort(uncertainty)
    risk = wrong[np.argsort(uncertainty, kind="stable")].cumsum()
    dice = np.random.default_rng(42)
    figures: dict[str, Any] = {}
    for size in SIZES:
        levels: dict[float, list[float | None]] = {precision: [] for precision in PRECISIONS}
        for _ in range(_DRAWS):
            drawn = np.concatenate([places[number] for number in dice.integers(len(places), size=size)])
            table = SelectionTable.of("pool", "score", uncertainty[drawn].tolist(), wrong[drawn].tolist())
            for precision, found in levels.items():
                found.append(table.level_for(precision))
        figures[str(size)] = {str(precision): _kept(found, precision, order, risk) for precision, found in levels.items()}
    return figures


def _kept(levels: Sequence[float | None], precision: float, order: Floats, risk: Floats) -> dict[str, float]:
    """What levels do to a whole set, whose uncertainties are given ascending with the number of wrong ones up to each."""
    counts = np.searchsorted(order, [level for level in levels if level is not None], side="right")
    counts = counts[counts > 0]
    is_broken = risk[counts - 1] / counts > 1 - precision
    return {
        "possible": round(len(counts) / len(levels), 3),
        "broken": round(float(is_broken.sum()) / len(levels), 3),
        "given out": round(float(counts.sum()) / len(levels) / len(order), 3),
    }
