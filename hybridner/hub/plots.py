"""The figures of a card as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any


def draw(evaluation: Mapping[str, Any]) -> bytes | None:
    """How far score and uncertainty can be trusted, as a PNG: the calibration plot and the threshold curve.

    Only ASCII stands in it, so that it needs no Chinese font. None where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return None
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = evaluation["reliability"]["bins"]
    left.plot([0, 1], [0, 1], linestyle="--", color="grey", linewidth=1)
    left.bar(
        [b["from"] for b in bins], [b["correct"] for b in bins], [b["to"] - b["from"] for b in bins], align="edge", alpha=0.35
    )
    left.plot([b["score"] for b in bins], [b["correct"] for b in bins], marker="o")
    left.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel="share that is right")
    left.set_title(f"calibration (ECE {evaluation['reliability']['ece']:.3f})")
    points = evaluation["thresholds"]
    thresholds = [p["threshold"] for p in points]
    for key, name in (
        ("doubtful", "entities above it"),
        ("errors_caught", "wrong ones among them, of all wrong ones"),
        ("kept_precision", "precision of the rest"),
    ):
        right.plot(thresholds, [p[key] for p in points], marker="o", label=name)
    right.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="threshold of the uncertainty", title="which threshold?")
    figure.legend(loc="outside lower right", ncols=3, fontsize="small")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110, metadata={"Software": None})
    return picture.getvalue()
