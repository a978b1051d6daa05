"""Text with marks in it, as HTML. The text stands there once, character by character, however spans nest or cross."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hybridner.space.fragments import escape

#: Marks no wider than so many Chinese characters, with their tags, are kept on one line; a phone has room for them.
_SHORT = 16.0
#: Width of a Latin letter, and of a tag's letters, beside a Chinese character of the text.
_LATIN, _TAG = 0.55, 0.64


@dataclass(frozen=True)
class Mark:
    """An entity in the text.

    Attributes:
        start, end: characters [start, end).
        tag: short name of its type, shown behind it.
        style: its colors, see `LabelColor.style`.
        tip: what hovering shows.
        is_doubtful: whether it would be routed.
        is_by_llm: whether the LLM decided.
    """

    start: int
    end: int
    tag: str
    style: str
    tip: str
    is_doubtful: bool = False
    is_by_llm: bool = False


@dataclass(frozen=True)
class Hint:
    """A span that is no entity but would go to the LLM; it may cross entities."""

    start: int
    end: int
    tip: str


def mark_text(text: str, marks: Sequence[Mark], hints: Sequence[Hint] = ()) -> str:
    """The text with nested `<mark>` elements; hints are cut where marks begin and end.

    Tags are drawn by the style sheet from an attribute, so what a reader copies is the text and nothing else.

    Raises:
        ValueError: two marks cross, or one lies outside the text.
    """
    points = {0, len(text)}
    spans: list[Mark | Hint] = [*marks, *hints]
    for span in spans:
        if not 0 <= span.start < span.end <= len(text):
            raise ValueError(f"[{span.start}, {span.end}) is no span of a text of {len(text)} characters")
        points.update((span.start, span.end))
    waiting = sorted(marks, key=lambda mark: (mark.start, -mark.end), reverse=True)
    hints_waiting = sorted(hints, key=lambda hint: hint.start, reverse=True)
    pieces: list[str] = []
    inside: list[Mark] = []
    hinted: list[Hint] = []
    for start, end in pairwise(sorted(points)):
        while inside and inside[-1].end <= start:
            inside.pop()
            pieces.append("</mark>")
        while waiting and waiting[-1].start == start:
            mark = waiting.pop()
            if inside and mark.end > inside[-1].end:
                raise ValueError(f"[{mark.start}, {mark.end}) crosses [{inside[-1].start}, {inside[-1].end})")
            inside.append(mark)
            alone = not waiting or waiting[-1].start >= mark.end
            width = _width(text[mark.start : mark.end]) + _TAG * _width(mark.tag)
            pieces.append(_open(mark, alone and width <= _SHORT))
        while hints_waiting and hints_waiting[-1].start == start:
            hinted.append(hints_waiting.pop())
        hinted = [hint for hint in hinted if hint.end > start]
        piece = escape(text[start:end])
        if hinted:
            tip = escape("\n\n".join(hint.tip for hint in hinted))
            piece = f'<span class="hn-hint" tabindex="0" data-tip="{tip}" aria-description="{tip}">{piece}</span>'
        pieces.append(piece)
    return "".join((*pieces, "</mark>" * len(inside)))


def _open(mark: Mark, short: bool) -> str:
    classes = "hn-mark" + " hn-doubt" * mark.is_doubtful + " hn-by-llm" * mark.is_by_llm
    classes += " hn-short" * short
    tip = escape(mark.tip)
    return (
        f'<mark class="{classes}" style="{escape(mark.style)}" data-tag="{escape(mark.tag)}" tabindex="0" data-tip="{tip}" '
        f'aria-description="{tip}">'
    )


def _width(text: str) -> float:
    return sum(_LATIN if character.isascii() else 1.0 for character in text)
