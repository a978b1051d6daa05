"""The report of a calibration as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybridner.optional import require


def draw_report(report: Mapping[str, Any], path: str | Path) -> None:
    """Reliability of SpanNER before and after the temperature, and share routed against residual error, as one PNG. ASCII only,
    so that no Chinese font is needed.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    figure = require("matplotlib.figure", "plots").Figure(figsize=(12, 4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.plot([0, 1], [0, 1], linestyle="--", color="grey", linewidth=1)
    for name, data in report["reliability"].items():
        bins = data["bins"]
        left.plot([b["score"] for b in bins], [b["correct"] for b in bins], marker="o", label=f"{name}: ECE {data['ece']:.3f}")
    left.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="share that is right", title="reliability")
    left.legend(fontsize="small", loc="upper left")
    points, chosen = report["curve"], report["threshold"]
    middle.plot([p["routed"] for p in points], [p["residual"] for p in points], marker=".")
    at = min(points, key=lambda p: abs(p["threshold"] - chosen["threshold"]))
    middle.plot(at["routed"], at["residual"], marker="o", markersize=10, fillstyle="none", color="red")
    middle.annotate(
        f"tau = {chosen['threshold']:.3f}",
        (at["routed"], at["residual"]),
        (-8, 12),
        textcoords="offset points",
        color="red",
        ha="right",
    )
    middle.set(
        xlabel="spans routed for each entity found", ylabel="wrong among the entities kept", title="share routed, residual error"
    )
    middle.set_ylim(bottom=0)
    thresholds = [p["threshold"] for p in points]
    right.plot(thresholds, [p["error_recall"] for p in points], label="wrong entities routed, of all wrong ones")
    right.plot(thresholds, [p["routed"] for p in points], label="spans routed for each entity")
    right.axvline(chosen["threshold"], color="red", linewidth=1)
    right.set(xlabel="threshold tau", title=f"uncertainty: {report['uncertainty']}", xlim=(0, 1))
    right.legend(fontsize="small")
    figure.savefig(path, dpi=110, metadata={"Software": None})
