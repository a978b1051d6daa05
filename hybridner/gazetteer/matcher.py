"""All occurrences of very many words in one pass over a text (Aho and Corasick, 1975), whatever their spelling."""

from __future__ import annotations

from collections.abc import Iterable

from ahocorasick_rs import AhoCorasick, Implementation

from hybridner.text.folding import fold, is_word_character


class Matcher:
    """Finds words in texts; case, width and traditional characters make no difference.

    A word that begins or ends with a Latin letter or a digit is found only where no other letter or digit goes on there: ``AI``
    is not found in ``SAID``, and ``F-16`` not in ``F-16C``.

    About 0.2 KB of memory a word; see `benchmarks/results/gazetteer.md`.

    Args:
        words: n words in folded form (see `hybridner.text.folding`), none empty. They are not kept.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._automaton = AhoCorasick(words, store_patterns=False, implementation=Implementation.ContiguousNFA)

    def find(self, text: str) -> list[tuple[int, int, int]]:
        """Every occurrence as (start, end, number of the word), overlapping ones too."""
        folded = fold(text)
        found = self._automaton.find_matches_as_indexes(folded, overlapping=True)
        return [(start, end, word) for word, start, end in found if _stands_alone(folded, start, end)]


def _stands_alone(text: str, start: int, end: int) -> bool:
    goes_on_before = start > 0 and is_word_character(text[start]) and is_word_character(text[start - 1])
    goes_on_after = end < len(text) and is_word_character(text[end - 1]) and is_word_character(text[end])
    return not (goes_on_before or goes_on_after)
