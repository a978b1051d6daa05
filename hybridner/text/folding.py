"""Spellings that mean the same folded into one: upper and lower case, full and half width, traditional and simplified.

A text keeps its length, so that character i of the folded text stands for character i of the text: characters whose other form
is longer than one character stay as they are.
"""

from __future__ import annotations

import unicodedata

from hybridner.text.simplified import to_simplified


class _Folds(dict[int, str]):
    """The folded form of each code point, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        form = chr(code)
        for change in (_to_half_width, str.lower, to_simplified):
            changed = change(form)
            form = changed if len(changed) == 1 else form
        self[code] = form
        return form


def _to_half_width(character: str) -> str:
    return unicodedata.normalize("NFKC", character)


_FOLDS = _Folds()


def fold(text: str) -> str:
    """The text in lower case, half width and simplified characters, of the same length.

    Examples:
        >>> fold("ＧＰＳ衛星")
        'gps卫星'
    """
    return text.translate(_FOLDS)


def is_word_character(character: str) -> bool:
    """Whether a character goes on a word that is written with letters or digits: Latin, Greek or Cyrillic, not Chinese."""
    return character < "\u2e80" and character.isalnum()
