"""A comparison as pictures: one panel for each setting, one line for each system."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from hybridner.evaluation.comparison import Comparison, Setting, SystemResult
from hybridner.optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colour and name in the legend of each kind of system.
_KINDS = {"member": ("tab:blue", "member"), "combiner": ("tab:orange", "combiner"), "hybrid": ("tab:green", "with an LLM")}
_PANELS_ABREAST = 3


def draw_scores(comparison: Comparison) -> bytes:
    """F1 of every system in every setting, with its interval and the single runs, as a PNG."""
    return _draw(comparison, _panel_of_scores, "F1, %")


def draw_differences(comparison: Comparison) -> bytes:
    """F1 minus the baseline's, with its interval, as a PNG."""
    baseline = next(s.title for s in comparison.settings[0].systems if s.name == comparison.baseline)
    return _draw(comparison, _panel_of_differences, f"F1 minus that of {baseline}, points")


def _panel_of_scores(axes: Axes, setting: Setting) -> None:
    for row, system in enumerate(setting.systems):
        _line(axes, row, system, system.f1.mean, system.f1_interval, system.f1.values)
    _name_rows(axes, setting.systems)


def _panel_of_differences(axes: Axes, setting: Setting) -> None:
    axes.axvline(0, color="grey", linewidth=1)
    others = tuple(system for system in setting.systems if system.difference is not None)
    for row, system in enumerate(others):
        assert system.difference is not None
        _line(axes, row, system, system.difference.f1.mean, system.difference.interval, system.difference.f1.values)
    _name_rows(axes, others)


def _line(axes: Axes, row: int, system: SystemResult, mean: float, ends: tuple[float, float], values: tuple[float, ...]) -> None:
    colour = _KINDS[system.kind][0]
    axes.plot([100 * ends[0], 100 * ends[1]], [row, row], color=colour, linewidth=2)
    axes.plot([100 * mean], [row], "o", color=colour)
    if len(values) > 1:
        axes.plot([100 * value for value in values], [row] * len(values), "|", color="black", markersize=9)


def _name_rows(axes: Axes, systems: tuple[SystemResult, ...]) -> None:
    axes.set_yticks(range(len(systems)), [system.title for system in systems])
    axes.set_ylim(len(systems) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)


def _draw(comparison: Comparison, panel: Callable[[Axes, Setting], None], unit: str) -> bytes:
    line_of = require("matplotlib.lines", "plots").Line2D
    settings = comparison.settings
    abreast = min(len(settings), _PANELS_ABREAST)
    rows = math.ceil(len(settings) / abreast)
    lines = max(len(setting.systems) for setting in settings)
    size = (1.5 + 4.2 * abreast, rows * (1.1 + 0.27 * lines) + 0.4)
    figure = require("matplotlib.figure", "plots").Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, abreast, squeeze=False)
    for axes, setting in zip(grid.flat, settings, strict=False):
        panel(axes, setting)
        about = setting.about
        runs = f", {setting.runs} runs" if setting.runs > 1 else ""
        axes.set_title(f"{about.data}, {about.split} (n = {setting.sentences:,}{runs})\n{about.encoder}", fontsize="medium")
        axes.set_xlabel(unit)
    for axes in list(grid.flat)[len(settings) :]:
        axes.set_visible(False)
    used = [kind for kind in _KINDS if any(system.kind == kind for setting in settings for system in setting.systems)]
    handles = [line_of([], [], marker="o", color=_KINDS[kind][0], label=_KINDS[kind][1]) for kind in used]
    handles.append(line_of([], [], color="black", linewidth=2, alpha=0.4, label=f"{comparison.level:.0%} interval over texts"))
    if any(setting.runs > 1 for setting in settings):
        handles.append(line_of([], [], marker="|", color="black", linestyle="", markersize=9, label="one run"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize="small")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110, metadata={"Software": None})
    return picture.getvalue()
