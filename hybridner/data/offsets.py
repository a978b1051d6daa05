"""The ways in which offsets are counted, how to tell them apart by the words beside them, and their translation to ours.

Ours are characters from 0, the end exclusive: ``text[start:end]`` is the word.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

Offsets = Literal["exclusive", "inclusive", "one-based", "utf-16"]
OFFSETS: tuple[Offsets, ...] = get_args(Offsets)

#: What each of them means, for messages.
MEANING: dict[Offsets, str] = {
    "exclusive": "characters from 0, the end exclusive",
    "inclusive": "characters from 0, the end inclusive",
    "one-based": "characters from 1, the end inclusive",
    "utf-16": "UTF-16 units from 0, the end exclusive",
}

#: (start, end, the word given beside them or None)
Place = tuple[int, int, "str | None"]


def is_astral(text: str) -> bool:
    """Whether a text holds a character above U+FFFF, which is two units of UTF-16."""
    return not text.isascii() and max(text) > "\uffff"


def map_utf16_units(text: str) -> dict[int, int]:
    """The number of the character at each offset in UTF-16 units, up to the text's end; inside a character there is none."""
    places, unit = {}, 0
    for number, character in enumerate(text):
        places[unit] = number
        unit += 1 + (character > "\uffff")
    places[unit] = len(text)
    return places


def to_characters(text: str, start: int, end: int, offsets: Offsets) -> tuple[int, int] | None:
    """Start and end in our way of counting; None where they fall inside a character of two UTF-16 units, or behind the text."""
    if offsets == "inclusive":
        return start, end + 1
    if offsets == "one-based":
        return start - 1, end
    if offsets == "utf-16" and is_astral(text):
        places = map_utf16_units(text)
        return (places[start], places[end]) if start in places and end in places else None
    return start, end


def is_same_word(found: str, given: str) -> bool:
    """Whether two words are the same but for kinds of spaces; some tools write a line end as a space."""
    return found == given or " ".join(found.split()) == " ".join(given.split()) != ""


def agrees(text: str, place: Place, offsets: Offsets) -> bool:
    """Whether the word stands at its place when offsets are counted so; a place without a word must lie inside the text."""
    start, end, word = place
    translated = to_characters(text, start, end, offsets)
    if translated is None or not 0 <= translated[0] <= translated[1] <= len(text):
        return False
    return word is None or is_same_word(text[translated[0] : translated[1]], word)


def agree_exactly(text: str, places: Sequence[Place], offsets: Offsets) -> bool:
    """Whether every word of a text stands at its place to the last space when offsets are counted so."""
    found = [(to_characters(text, start, end, offsets), word) for start, end, word in places]
    return all(place is not None and text[place[0] : place[1]] == word for place, word in found)


def fitting_offsets(text: str, places: Sequence[Place]) -> list[Offsets]:
    """The ways of counting under which every word of a text stands at its place."""
    return [offsets for offsets in OFFSETS if all(agrees(text, place, offsets) for place in places)]


def is_shifted(text: str, place: Place) -> bool:
    """Whether it makes a difference here if offsets are UTF-16 units: a character of two units comes before the end."""
    return any(character > "\uffff" for character in text[: max(0, place[1])])
