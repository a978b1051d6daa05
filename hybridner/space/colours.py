"""A colour for every label, readable on light and dark pages."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

#: Text on coloured ground, by theme; the page's style sheet uses the same.
INK = {"light": "#1c2230", "dark": "#f3f5fa"}

#: Degrees between neighbours: however many labels there are, their hues stay apart.
_GOLDEN_ANGLE = 137.508
_FIRST_HUE = 212.0


@dataclass(frozen=True)
class Colour:
    """Ground and edge on a light and on a dark page, as #rrggbb."""

    light: str
    light_edge: str
    dark: str
    dark_edge: str

    @property
    def style(self) -> str:
        """The custom properties that the style sheet reads."""
        return f"--hl:{self.light};--hle:{self.light_edge};--hd:{self.dark};--hde:{self.dark_edge}"


def label_colours(names: Sequence[str]) -> dict[str, Colour]:
    """The same labels in the same order always get the same colours."""
    return {name: _colour((_FIRST_HUE + number * _GOLDEN_ANGLE) % 360.0) for number, name in enumerate(names)}


def _colour(hue: float) -> Colour:
    return Colour(_hex(hue, 0.88, 0.85), _hex(hue, 0.45, 0.60), _hex(hue, 0.25, 0.50), _hex(hue, 0.62, 0.60))


def _hex(hue: float, lightness: float, saturation: float) -> str:
    parts = colorsys.hls_to_rgb(hue / 360.0, lightness, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def contrast(first: str, second: str) -> float:
    """WCAG contrast of two #rrggbb colours: from 1, the same, to 21, black on white; 4.5 is enough to read."""
    darker, brighter = sorted((_luminance(first), _luminance(second)))
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
