"""Texts that are nearly the same: pairs by the Jaccard similarity of their character 4-grams."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import ceil

_GRAM = 4


def grams(text: str) -> set[str]:
    """The character 4-grams of a text; the text itself when it is shorter."""
    return {text[start : start + _GRAM] for start in range(max(1, len(text) - _GRAM + 1))}


def jaccard(first: set[str], second: set[str]) -> float:
    """Size of the intersection over size of the union, between 0 and 1."""
    return len(first & second) / len(first | second)


def near_duplicate_pairs(texts: Sequence[str], threshold: float = 0.8) -> list[tuple[int, int]]:
    """All pairs (i, j), i < j, of texts whose similarity is at least `threshold`; exact, without comparing all pairs.

    Two sets that are similar share a gram among the rarest few of each, so only texts that meet there are compared.

    Args:
        threshold: above 0, at most 1.
    """
    sets = [grams(text) for text in texts]
    frequency = Counter(gram for one in sets for gram in one)
    meetings: dict[str, list[int]] = defaultdict(list)
    pairs: list[tuple[int, int]] = []
    for later, one in enumerate(sets):
        # With similarity >= t two sets share at least ceil(t * size) grams of each, hence one among the first size - that + 1.
        reach = len(one) - ceil(threshold * len(one)) + 1
        rarest = sorted(one, key=lambda gram: (frequency[gram], gram))[:reach]
        candidates = {earlier for gram in rarest for earlier in meetings[gram]}
        for earlier in sorted(candidates):
            smaller, larger = sorted((len(one), len(sets[earlier])))
            if smaller >= threshold * larger and jaccard(one, sets[earlier]) >= threshold:
                pairs.append((earlier, later))
        for gram in rarest:
            meetings[gram].append(later)
    return pairs
