"""A color for every entity type that people with any kind of color vision can tell from its neighbors.

The style sheet mixes grounds and edges from it, for light and dark pages; every mark also names its type.
"""

from __future__ import annotations

from collections.abc import Sequence

#: Chosen so that neighbors differ in lightness as well as in hue, in normal, protan, deutan and tritan vision.
_HUES = ("#3d8fd1", "#e39a2b", "#2fa58d", "#d0679d", "#93a51f", "#7d74cf", "#c9603c", "#4fb6cf", "#a58a52", "#5e8f4e", "#b06bc4",
         "#7f8ea3", "#d1b21e")  # fmt: skip


def label_styles(names: Sequence[str]) -> dict[str, str]:
    """The custom property that the style sheet reads, by label; the same labels in the same order always get the same colors.

    Args:
        names: the labels, in the order that gives the colors.

    Examples:
        >>> label_styles(["State", "Place"])
        {'State': '--se-hue:#3d8fd1', 'Place': '--se-hue:#e39a2b'}
    """
    return {name: f"--se-hue:{_HUES[number % len(_HUES)]}" for number, name in enumerate(names)}
