"""The piece of a text that a span is shown in: its sentence, with its neighbors where that is short, cut where it is long."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: A sentence reaches up to and includes its closing punctuation and what closes a quotation after it.
_SENTENCE = re.compile(r"[^。！？!?；;\n]*(?:[。！？!?；;\n]+[”’」』）)\"']*|\Z)")
_MARKS = "。！？!?；;\n”’」』）)\"'"
#: A longer run of such marks is not looked through.
_MAX_MARKS = 1_000
#: What could break the layout of a prompt when it stands in a text: line ends, tabs, control and zero-width characters.
_LAYOUT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\ufeff]")
#: Pairs to enclose a span with; the first pair that the sentence does not use itself is taken.
_BRACKETS = (("[", "]"), ("【", "】"), ("⟦", "⟧"))


@dataclass(frozen=True, slots=True)
class Context:
    """Characters ``[start, end)`` of a text, shown to the LLM."""

    start: int
    end: int


def select_context(text: str, start: int, end: int, *, min_context_chars: int, max_context_chars: int) -> Context:
    """The sentence that holds the span, grown by whole neighboring sentences while it is shorter than `min_context_chars`.

    Args:
        text: the whole text.
        start, end: the span, [start, end).
        min_context_chars: characters below which neighbors are taken in, while the result stays within `max_context_chars`.
        max_context_chars: characters beyond which the sentence is cut around the span; the span itself is never cut.
    """
    borders = _borders(text, start - max_context_chars - 1, end + max_context_chars + 1)
    first = max(i for i, border in enumerate(borders) if border <= start)
    last = min(i for i, border in enumerate(borders) if border >= end)
    while borders[last] - borders[first] < min_context_chars:
        # The shorter neighbor first: it is the more likely to leave space for the other.
        sizes = []
        if first > 0:
            sizes.append((borders[first] - borders[first - 1], first - 1, last))
        if last + 1 < len(borders):
            sizes.append((borders[last + 1] - borders[last], first, last + 1))
        fitting = [choice for choice in sizes if borders[last] - borders[first] + choice[0] <= max_context_chars]
        if not fitting:
            break
        _, first, last = min(fitting)
    low, high = borders[first], borders[last]
    if high - low > max_context_chars:
        spare = max(0, max_context_chars - (end - start))
        low = max(low, min(start - spare // 2, high - max_context_chars))
        high = min(high, max(end, low + max_context_chars))
    return Context(low, high)


def _borders(text: str, low: int, high: int) -> list[int]:
    """Where sentences begin or end within [low, high), and the ends of that stretch.

    Only that far does the text matter: what reaches beyond it is longer than a context may be, and is cut or left out.
    """
    low, high = max(0, low), min(len(text), high)
    # Not amid the marks that end a sentence: they belong together.
    for _ in range(_MAX_MARKS):
        if low == 0 or text[low - 1] not in _MARKS:
            break
        low -= 1
    borders = [low]
    for match in _SENTENCE.finditer(text, low, high):
        if match.end() > borders[-1]:
            borders.append(match.end())
    return borders


def split_pieces(text: str, *, min_chars: int, max_chars: int) -> list[Context]:
    """The text in pieces to be read one by one: whole sentences, as few of them as have `min_chars` characters together.

    Args:
        text: any string.
        min_chars: a piece that is shorter takes the next sentence in, where both together have at most `max_chars`.
        max_chars: a longer sentence is cut, at a comma where there is one in its second half.

    Returns:
        pieces that are all of the text, in order; none of an empty text.
    """
    pieces: list[Context] = []
    for match in _SENTENCE.finditer(text):
        start, end = match.span()
        while end - start > max_chars:
            commas = (text.rfind(comma, start + max_chars // 2, start + max_chars) + 1 for comma in "，,、")
            cut = max(commas) or start + max_chars
            pieces.append(Context(start, cut))
            start = cut
        last = pieces[-1] if pieces else None
        if last is not None and last.end - last.start < min_chars and end - last.start <= max_chars:
            pieces[-1] = Context(last.start, end)
        elif end > start:
            pieces.append(Context(start, end))
    return pieces


def to_single_line(text: str) -> str:
    """The text with everything that could break a prompt's layout replaced by spaces; the length stays the same."""
    return _LAYOUT.sub(" ", text)


def mark_span(text: str, start: int, end: int, context: Context) -> str:
    """The context with the span enclosed in brackets that occur nowhere else in it, where there are such."""
    shown = text[context.start : context.end]
    opening, closing = next((pair for pair in _BRACKETS if not set(pair) & set(shown)), _BRACKETS[0])
    before, span, after = text[context.start : start], text[start:end], text[end : context.end]
    return to_single_line(f"{before}{opening}{span}{closing}{after}").strip()
