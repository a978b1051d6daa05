"""What stands at the borders of entities: taken in or left out, with counts.

Whatever of a sentence lies next to an entity was left out of it, and what other entities of the label begin or end with was taken
in. Digits count as one and the same digit, so that "1972年" and "2023年" are alike.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hybridner.spans import Record

Side = Literal["before", "after"]

#: Stands for a number.
DIGIT = "＃"
_DIGITS = re.compile(r"[0-9０-９]+(?:\.[0-9]+)?")
#: Affixes have at most so many characters.
_LONGEST = 4
#: No affix begins or ends with these: particles, prepositions, conjunctions, marks.
_NO_AFFIX = re.compile(r"^[^\w＃]|[^\w＃]$|^[的在和是了与及等将对为从于被把以而或]|[的在和是了与及将对为从于被把以而或]$")
#: How often an affix must occur to be spoken of, and what share makes it a habit.
_FEWEST = 5
_HABIT = 0.8
#: Different entities that must end with what is taken in; more where it is a single character.
_DIFFERENT, _DIFFERENT_SINGLE = 4, 8
#: How much commoner next to the label than anywhere; else it is only a common word.
_LIFT = 8.0


@dataclass(frozen=True, slots=True)
class Affix:
    """Characters at one end of entities of a label.

    Attributes:
        words: the characters, with `DIGIT` for numbers.
        side: "before" or "after" the rest of the entity.
        taken_in: entities that begin (or end) with them.
        left_out: entities next to them.
    """

    words: str
    side: Side
    taken_in: int
    left_out: int

    @property
    def is_left_out(self) -> bool:
        return self.left_out >= _HABIT * (self.taken_in + self.left_out)

    @property
    def is_taken_in(self) -> bool:
        return self.taken_in >= _HABIT * (self.taken_in + self.left_out)


@dataclass(frozen=True, slots=True)
class Place:
    """An entity and what stands around it, digits folded."""

    before: str
    words: str
    after: str


def place(text: str, start: int, end: int) -> Place:
    """The surroundings of characters [start, end)."""
    near = 2 * _LONGEST
    return Place(fold(text[max(0, start - near) : start]), fold(text[start:end]), fold(text[end : end + near]))


def fold(text: str) -> str:
    """The text with every number as one `DIGIT`."""
    return _DIGITS.sub(DIGIT, text)


@dataclass(frozen=True)
class Background:
    """What a string is compared with.

    Attributes:
        shares: share of positions of all texts at which a string of up to four characters stands.
        inside: strings that stand in two different entities at least.
    """

    shares: Mapping[str, float]
    inside: frozenset[str]

    @classmethod
    def of(cls, records: Iterable[Record]) -> Background:
        counts: Counter[str] = Counter()
        total = 0
        words: set[str] = set()
        for record in records:
            text = fold(record.text)
            total += len(text)
            counts.update(_strings(text))
            words.update(fold(record.text[span.start : span.end]) for span in record.entities)
        inside = Counter(string for entity in words for string in set(_strings(entity)))
        return cls(
            {string: count / total for string, count in counts.items() if count > 1},
            frozenset(string for string, count in inside.items() if count > 1),
        )


def find_affixes(places: Sequence[Place], background: Background) -> list[Affix]:
    """The affixes of the entities of one label about which there is something to say, the commonest first.

    Of what is left out only that counts which other entities hold: nobody would have taken in the rest anyway.
    """
    known = {where.words for where in places}
    found: list[Affix] = []
    sides: tuple[Side, Side] = ("before", "after")
    for side in sides:
        taken, left = Counter[str](), Counter[str]()
        different: dict[str, set[str]] = defaultdict(set)
        for where in places:
            for string in _ends(where.words, side):
                rest = where.words[len(string) :] if side == "before" else where.words[: -len(string)]
                # In front a modifier, where the rest can stand alone; behind the noun that says what it is.
                if rest and (side == "after" or rest in known):
                    taken[string] += 1
                    different[string].add(where.words)
            left.update(_ends(where.after, "before") if side == "after" else _ends(where.before, "after"))
        affixes = [
            Affix(string, side, taken[string], left[string])
            for string in taken.keys() | left.keys()
            if taken[string] + left[string] >= _FEWEST
            and not _NO_AFFIX.search(string)
            and max(taken[string], left[string]) / len(places) >= _LIFT * background.shares.get(string, 0.0)
        ]
        found += _without_parts([affix for affix in affixes if _says_something(affix, different[affix.words], background)])
    return sorted(found, key=lambda affix: (-(affix.taken_in + affix.left_out), affix.words))


def _says_something(affix: Affix, different: set[str], background: Background) -> bool:
    if affix.is_taken_in:
        return len(different) >= (_DIFFERENT if len(affix.words) > 1 else _DIFFERENT_SINGLE)
    if affix.is_left_out:
        return affix.words in background.inside and (len(affix.words) > 1 or affix.taken_in > 0)
    return min(affix.taken_in, affix.left_out) > 1 and len(affix.words) > 1


def _strings(text: str) -> Iterator[str]:
    for size in range(1, _LONGEST + 1):
        yield from (text[index : index + size] for index in range(len(text) - size + 1))


def _ends(words: str, side: Side) -> set[str]:
    sizes = range(1, min(_LONGEST, len(words)) + 1)
    return {words[:size] if side == "before" else words[-size:] for size in sizes}


def _without_parts(affixes: Sequence[Affix]) -> list[Affix]:
    """Without those that nearly always are a part of a longer one, or the other way round: the one that says more stays."""

    def within(small: Affix, large: Affix) -> bool:
        return small.words != large.words and small.words in large.words

    counts = {affix: affix.taken_in + affix.left_out for affix in affixes}
    return [
        affix
        for affix in affixes
        if not any(within(affix, other) and counts[other] >= _HABIT * counts[affix] for other in affixes)
        and not any(within(other, affix) and counts[affix] < _HABIT * counts[other] and _alike(affix, other) for other in affixes)
    ]


def _alike(one: Affix, other: Affix) -> bool:
    return (one.is_left_out, one.is_taken_in) == (other.is_left_out, other.is_taken_in)
