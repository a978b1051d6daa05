"""Text with marks in it, as HTML. The text stands there once, character by character, however spans nest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hybridner.display.escaping import escape

#: Marks of no more characters, with half those of their tags, are kept on one line; a phone has room for them.
_SHORT = 13


@dataclass(frozen=True)
class Mark:
    """An entity in the text.

    Attributes:
        start, end: characters [start, end).
        tag: short name of its type, shown behind it.
        style: its color, see `label_styles`.
        tip: what hovering shows.
        is_doubtful: whether it should be checked.

    Examples:
        >>> Mark(0, 2, "国家", tip="u = 0.40", is_doubtful=True).is_doubtful
        True
    """

    start: int
    end: int
    tag: str
    style: str = ""
    tip: str = ""
    is_doubtful: bool = False


def mark_text(text: str, marks: Sequence[Mark]) -> str:
    """The text with nested `<mark>` elements.

    Tags are drawn by the style sheet from an attribute, so what a reader copies is the text and nothing else.

    Args:
        text: the text.
        marks: its entities, in any order.

    Raises:
        ValueError: two marks cross, or one lies outside the text.

    Examples:
        >>> mark_text("北约", [Mark(0, 2, "国家")]).startswith("<mark")
        True
    """
    for mark in marks:
        if not 0 <= mark.start < mark.end <= len(text):
            raise ValueError(f"[{mark.start}, {mark.end}) is no span of a text of {len(text)} characters")
    waiting = sorted(marks, key=lambda mark: (mark.start, -mark.end), reverse=True)
    points = {0, len(text), *(point for mark in marks for point in (mark.start, mark.end))}
    pieces: list[str] = []
    inside: list[Mark] = []
    for start, end in pairwise(sorted(points)):
        while inside and inside[-1].end <= start:
            inside.pop()
            pieces.append("</mark>")
        while waiting and waiting[-1].start == start:
            mark = waiting.pop()
            if inside and mark.end > inside[-1].end:
                raise ValueError(f"[{mark.start}, {mark.end}) crosses [{inside[-1].start}, {inside[-1].end})")
            inside.append(mark)
            pieces.append(_open(mark))
        pieces.append(escape(text[start:end]))
    return "".join((*pieces, "</mark>" * len(inside)))


def _open(mark: Mark) -> str:
    classes = "se-mark se-check" if mark.is_doubtful else "se-mark se-sure"
    classes += " se-short" * (mark.end - mark.start + len(mark.tag) / 2 <= _SHORT)
    tip = f' title="{escape(mark.tip)}"' if mark.tip else ""
    return f'<mark class="{classes}" style="{escape(mark.style)}" data-tag="{escape(mark.tag)}"{tip}>'
