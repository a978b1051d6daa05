"""How well text can be read on its ground."""

from __future__ import annotations


def contrast(first: str, second: str) -> float:
    """WCAG contrast of two #rrggbb colors: from 1, the same, to 21, black on white; 4.5 is enough to read."""
    darker, brighter = sorted((_luminance(first), _luminance(second)))
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
