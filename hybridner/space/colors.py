"""A color for every label, in which the text of the page can be read, on light and dark pages."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

#: Degrees between neighbors: however many labels there are, their hues stay apart.
_GOLDEN_ANGLE = 137.508
_FIRST_HUE = 212.0


@dataclass(frozen=True)
class LabelColor:
    """Ground and edge on a light and on a dark page, as #rrggbb."""

    light: str
    light_edge: str
    dark: str
    dark_edge: str

    @property
    def style(self) -> str:
        """The custom properties that the style sheet reads."""
        return f"--hl:{self.light};--hle:{self.light_edge};--hd:{self.dark};--hde:{self.dark_edge}"


def label_colors(names: Sequence[str]) -> dict[str, LabelColor]:
    """The same labels in the same order always get the same colors."""
    return {name: _label_color((_FIRST_HUE + number * _GOLDEN_ANGLE) % 360.0) for number, name in enumerate(names)}


def _label_color(hue: float) -> LabelColor:
    return LabelColor(_hex(hue, 0.88, 0.85), _hex(hue, 0.45, 0.60), _hex(hue, 0.25, 0.50), _hex(hue, 0.62, 0.60))


def _hex(hue: float, lightness: float, saturation: float) -> str:
    parts = colorsys.hls_to_rgb(hue / 360.0, lightness, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
