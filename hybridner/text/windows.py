"""Long texts: windows with exact ownership, so that their scores can be put together again.

Every character is *owned* by exactly one window, and where a border falls inside a sentence, both windows see some context beyond
it. Scores per character are taken from the owner and strung together; decoding then runs over the whole text, so nothing can be
lost or doubled at a seam.
"""

from __future__ import annotations

from typing import NamedTuple

#: Ends of lines and of sentences: models are trained on sentences, and read one as well without those around it.
_ENDS = ("\n", "。！？!?；;")
#: Where a sentence is cut rather than anywhere.
_PAUSES = ("，,、：: ",)


class Window(NamedTuple):
    """A stretch of a text that is read at once; every character belongs to one window.

    Attributes:
        start, end: characters [start, end) that are read.
        own_start, own_end: those of them that belong to this window; the others are context.

    Examples:
        >>> window = Window(start=0, end=60, own_start=0, own_end=50)
        >>> window.end - window.own_end         # characters that are only context
        10
    """

    start: int
    end: int
    own_start: int
    own_end: int


def cut_windows(text: str, size: int, context: int) -> list[Window]:
    """Windows of at most `size` characters that cover `text`.

    The borders of what is owned lie after a line end or a sentence end where one is near; else after a comma, else anywhere, and
    then up to `context` characters are seen beyond them.

    Args:
        text: any text; an empty one gives no window.
        size: the most characters that the encoder takes (without its special tokens).
        context: characters seen beyond each border inside a sentence; at most a quarter of `size`.

    Raises:
        ValueError: `size` is not positive or `context` too large for it.

    Examples:
        >>> [window[:2] for window in cut_windows("他来了。她走了。", 4, 0)]
        [(0, 4), (4, 8)]
    """
    if size < 1 or context < 0 or context * 4 > size:
        raise ValueError(f"need size >= 1 and 0 <= context <= size / 4, got size={size}, context={context}")
    length = len(text)
    windows: list[Window] = []
    start = own_start = 0
    while own_start < length:
        furthest = start + size
        if length <= furthest:
            windows.append(Window(start, length, own_start, length))
            break
        own_end = _break_before(text, _ENDS, (own_start + furthest) // 2, furthest)
        seen = 0
        if own_end is None:
            furthest, seen = furthest - context, context
            own_end = _break_before(text, _PAUSES, (own_start + furthest) // 2, furthest) or furthest
        windows.append(Window(start, min(length, own_end + seen), own_start, own_end))
        start, own_start = own_end - seen, own_end
    return windows


def _break_before(text: str, kinds: tuple[str, ...], low: int, high: int) -> int | None:
    """The best place to cut in (low, high]: after the last character of the best kind of break; None where there is none."""
    for kind in kinds:
        for position in range(high, low, -1):
            if text[position - 1] in kind:
                return position
    return None
