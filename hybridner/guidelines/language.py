"""How guidelines are worded, language by language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from hybridner.files import read_text

_WORDS = Path(__file__).parent / "words"


@dataclass(frozen=True)
class Language:
    """Sentences of one language, from a file in `words`; `{}` are filled in.

    Attributes:
        borders: for each kind of border case its name, and what it is called when taken in and when left out.
        bracket: around counts.
        gap: between the name of a border case and what is said of it.
    """

    general: str
    empty: str
    again_unmarked: str
    again_marked: str
    again_mixed: str
    nested: str
    flat: str
    label: str
    typical: str
    taken_in: str
    left_out: str
    mixed: str
    before: str
    after: str
    always: str
    seldom: str
    cues: str
    false_starts: str
    corrections: str
    confused: str
    borders: dict[str, tuple[str, str, str]]
    same_length: str
    exceptions: str
    both: str
    bracket: tuple[str, str]
    comma: str
    stop: str
    gap: str

    @classmethod
    @cache
    def load(cls, name: str) -> Language:
        """The language of this name, one of `hybridner.llm.guidelines.LANGUAGES`."""
        content = yaml.safe_load(read_text(_WORDS / f"{name}.yaml"))
        borders = {kind: tuple(words) for kind, words in content.pop("borders").items()}
        return cls(**{**content, "bracket": tuple(content["bracket"])}, borders=borders)

    def words(self, words: str) -> str:
        return f"“{words.strip()}”"

    def listed(self, items: Iterable[str]) -> str:
        return self.comma.join(items)
