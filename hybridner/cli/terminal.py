"""What people see: text that comes from files, models and servers is shown as it is, and never obeyed.

A control character in a text, a label or an error message could move the cursor, rewrite what stands above, or make the terminal
type. So all that is for people goes through here and shows such characters as `\\x1b` or `\\u202e`. JSON goes out as it is.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Control characters but line end and tab, marks that change the direction of writing, line separators, halves of characters.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with its control characters as escapes.

    Examples:
        >>> visible("俄\\x1b[2J罗斯")
        '俄\\\\x1b[2J罗斯'
    """
    return _CONTROLS.sub(lambda found: repr(found.group())[1:-1], text)


def say(message: object, *, error: bool = False) -> None:
    """Print a message for people, to standard output or standard error."""
    print(visible(str(message)), file=sys.stderr if error else sys.stdout)


def print_json(content: Any, *, indent: int | None = None) -> None:
    """Print JSON for programs, unchanged."""
    print(json.dumps(content, ensure_ascii=False, indent=indent), flush=True)


@contextmanager
def visible_messages() -> Iterator[None]:
    """Within the block, warnings and log lines on standard error are shown as everything else is."""
    form, last_resort = warnings.formatwarning, logging.lastResort
    formatter = None if last_resort is None else last_resort.formatter

    def formatted(*arguments: Any, **named: Any) -> str:
        return visible(form(*arguments, **named))

    warnings.formatwarning = formatted
    if last_resort is not None:
        last_resort.setFormatter(_VisibleFormatter())
    try:
        yield
    finally:
        warnings.formatwarning = form
        if last_resort is not None:
            last_resort.setFormatter(formatter)


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))
