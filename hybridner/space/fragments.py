"""Small pieces of HTML that several views share: numbers, notes and small print."""

from __future__ import annotations

from typing import Literal

from hybridner.display import escape
from hybridner.errors import HybridNerError
from hybridner.space.errors import VisitorError
from hybridner.space.texts import PageTexts


def decimals(value: float, digits: int) -> str:
    """A number with so many decimals; never "-0.00"."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def note(text: str, kind: Literal["info", "problem"] = "info") -> str:
    """A message on the page, read out by screen readers."""
    role = "alert" if kind == "problem" else "status"
    return f'<div class="hn-note hn-{kind}" role="{role}">{escape(text)}</div>'


def error_note(error: HybridNerError, texts: PageTexts) -> str:
    """An error as a note, in the visitor's language where it is one that visitors cause."""
    if isinstance(error, VisitorError):
        return note(texts(f"problems.{error.key}", **error.values), "problem")
    return note(str(error), "problem")


def small_print(text: str) -> str:
    return f'<p class="hn-small-print">{escape(text)}</p>'
