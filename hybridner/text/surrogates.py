"""Halves of characters: what is left of an emoji when a program cuts a text between two UTF-16 units.

JSON can hold such a half (``"\\ud83d"``), but no UTF-8 file, tokenizer or HTTP request can. Everywhere a text comes in, each half
becomes U+FFFD, the replacement character; the text keeps its length, so offsets stay what they were.
"""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"
_HALF = re.compile("[\ud800-\udfff]")


def replace_surrogates(text: str) -> tuple[str, int]:
    """The text with every lone surrogate as U+FFFD, and how many there were."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _HALF.subn(REPLACEMENT, text)
    return text, 0
