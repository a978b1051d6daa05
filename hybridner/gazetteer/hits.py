"""Where terms occur in texts, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Hits:
    """H occurrences of terms in texts; a term with two labels has two of them at one place.

    Attributes:
        places: [H, 3] number of the text, start, end (exclusive); sorted.
        terms: [H] row of the term in the gazetteer's table.
        labels: [H] number of the label from 1.
        counts: [H] how often the term was seen with this label in labelled data.
        seen: [H] how often the term was seen there at all.
        listed: [H] whether a list has it.
    """

    places: Integers
    terms: Integers
    labels: Integers
    counts: Integers
    seen: Integers
    listed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.terms)

    def select(self, which: NDArray[np.bool_] | Integers) -> Hits:
        """Only some of them."""
        return Hits(**{name: values[which] for name, values in vars(self).items()})

    def without_own(self, groups: Integers, right: NDArray[np.bool_]) -> Hits:
        """What each text would find if the gazetteer had been made without it.

        Args:
            groups: [texts] number of the document of each text that the counts come from, -1 for texts that they do not.
            right: [H] whether gold has the term there with this label.

        Returns:
            the hits whose terms are in the data without that document, or in a list, with the counts that they have there.
        """
        group = groups[self.places[:, 0]]
        if not (group >= 0).any():
            return self
        keys, inverse = np.unique(np.stack([group, self.terms]), axis=1, return_inverse=True)
        inverse = inverse.reshape(-1)
        own_seen = np.bincount(inverse, minlength=keys.shape[1])[inverse]
        own_count = np.bincount(inverse, weights=right, minlength=keys.shape[1]).astype(np.int64)[inverse]
        is_own = group >= 0
        counts = np.where(is_own, self.counts - own_count, self.counts)
        seen = np.where(is_own, self.seen - own_seen, self.seen)
        left = replace(self, counts=np.maximum(counts, 0), seen=np.maximum(seen, 0))
        return left.select((counts > 0) | self.listed)

    def inside(self) -> NDArray[np.bool_]:
        """[H] whether another, longer hit holds the place of each."""
        if not len(self):
            return np.zeros(0, dtype=bool)
        text, start, end = self.places.T
        order = np.lexsort((-end, start, text))
        wide = int(end.max()) + 1
        reach = np.maximum.accumulate(end[order] + text[order] * wide)
        first = np.ones(len(order), dtype=bool)
        first[1:] = (self.places[order[1:]] != self.places[order[:-1]]).any(axis=1)
        # Hits at one place are seen from the first of them.
        leader = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
        before = np.concatenate([[-1], reach[:-1]])[leader]
        result = np.zeros(len(order), dtype=bool)
        result[order] = end[order] + text[order] * wide <= before
        return result
