"""Long texts: overlapping windows with exact ownership, so that their scores can be put together again.

Every character is *owned* by exactly one window, and every window sees some context beyond what it owns. Scores per character are
taken from the owner and strung together; decoding then runs over the whole text, so nothing can be lost or doubled at a seam.
"""

from __future__ import annotations

from typing import NamedTuple

#: Cutting after one of these costs no context that matters; earlier in the tuple is better.
_BREAKS = ("\n", "。！？!?；;", "，,、：: ")


class Window(NamedTuple):
    """Characters ``[start, end)`` of a text are read, of which ``[own_start, own_end)`` belong to this window."""

    start: int
    end: int
    own_start: int
    own_end: int


def cut_windows(text: str, size: int, context: int) -> list[Window]:
    """Windows of at most `size` characters that cover `text`, each with up to `context` characters around what it owns.

    The borders of what is owned lie after a line end or a sentence end where one is near, else after a comma, else anywhere.

    Args:
        text: any text; an empty one gives no window.
        size: the most characters that the encoder takes (without its special tokens).
        context: characters seen beyond each border; at most a quarter of `size`.

    Raises:
        ValueError: `size` is not positive or `context` too large for it.
    """
    if size < 1 or context < 0 or context * 4 > size:
        raise ValueError(f"need size >= 1 and 0 <= context <= size / 4, got size={size}, context={context}")
    length = len(text)
    if length <= size:
        return [Window(0, length, 0, length)] if length else []
    windows: list[Window] = []
    own_start = 0
    while own_start < length:
        start = max(0, own_start - context)
        if length <= start + size:
            own_end = length
        else:
            furthest = start + size - context
            own_end = _break_before(text, (own_start + furthest) // 2, furthest)
        windows.append(Window(start, min(length, own_end + context), own_start, own_end))
        own_start = own_end
    return windows


def _break_before(text: str, low: int, high: int) -> int:
    """The best place to cut in (low, high]: after the last character of the best kind of break, else `high`."""
    for kind in _BREAKS:
        for position in range(high, low, -1):
            if text[position - 1] in kind:
                return position
    return high
