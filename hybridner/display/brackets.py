"""Entities in brackets in their text, for places that show no HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

#: Beyond so many texts, and so many characters of one, nobody reads on a console.
_TEXTS, _CHARACTERS = 20, 300


def bracket(text: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """``[俄罗斯 State]部署了[干扰机 System]。``: nested spans stand in nested brackets.

    Args:
        text: the text.
        spans: start, end and label of each entity, in any order.
    """
    found = list(spans)
    # At one place what ends comes before what begins, the inner span ends first and the outer one begins first.
    signs = [(start, 1, -end, "[") for start, end, _ in found] + [(end, 0, -start, f" {label}]") for start, end, label in found]
    pieces, last = [], 0
    for at, _, _, sign in sorted(signs):
        pieces += [text[last:at], sign]
        last = at
    return "".join((*pieces, text[last:]))


def bracket_texts(texts: Iterable[tuple[str, Sequence[tuple[int, int, str]]]]) -> str:
    """One text a line; what is too much to read is left out, and how much that is is said."""
    waiting = iter(texts)
    lines = [_line(text, spans) for text, spans in islice(waiting, _TEXTS)]
    left = sum(1 for _ in waiting)
    return "\n".join(lines + [f"… and {left} more texts"] * (left > 0))


def _line(text: str, spans: Sequence[tuple[int, int, str]]) -> str:
    if len(text) <= _CHARACTERS:
        return bracket(text, spans)
    shown = [span for span in spans if span[1] <= _CHARACTERS]
    return f"{bracket(text[:_CHARACTERS], shown)}… ({len(text):,} characters, {len(spans)} entities)"
