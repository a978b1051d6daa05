"""How much alike texts are by their characters: cosines of tf-idf vectors, sparse and quick over a whole training set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]

#: Characters on either side of a span that say something about it.
_AROUND = 6
#: How much the words of a span count against its surroundings.
_WORDS = 2.0

Features = dict[str, float]


class CharacterVectors:
    """Unit vectors of features, weighted by how rare these are, and what else is like them.

    Args:
        rows: the features of each of N things, with their counts.
    """

    def __init__(self, rows: Sequence[Features]) -> None:
        self._column = {name: number for number, name in enumerate(dict.fromkeys(name for row in rows for name in row))}
        found = Counter(name for row in rows for name in row)
        self._rarity = np.array([np.log(len(rows) / found[name] + 1.0) for name in self._column])
        self.matrix = self._vectors(rows)

    def similarities(self, features: Features) -> Floats:
        """[N] the cosine of each with something new."""
        return np.asarray((self.matrix @ self._vectors([features]).T).toarray().ravel())

    def similarities_to(self, number: int) -> Floats:
        """[N] the cosine of each with one of them."""
        return np.asarray((self.matrix @ self.matrix[number].T).toarray().ravel())

    def _vectors(self, rows: Sequence[Features]) -> csr_matrix:
        known = [[(self._column[name], value) for name, value in row.items() if name in self._column] for row in rows]
        numbers = np.repeat(np.arange(len(rows)), [len(row) for row in known])
        columns = np.array([column for row in known for column, _ in row], dtype=np.int64)
        values = np.array([value for row in known for _, value in row], dtype=np.float64)
        if len(columns):
            values = values * self._rarity[columns]
        lengths = np.sqrt(np.bincount(numbers, weights=values**2, minlength=len(rows)))
        return csr_matrix((values / lengths[numbers], (numbers, columns)), shape=(len(rows), max(len(self._column), 1)))


def span_features(text: str, start: int, end: int) -> Features:
    """Characters and pairs of a span, and pairs around it."""
    words, before, after = text[start:end], text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
    features: Features = {}
    for part in (*words, *_pairs(f"^{words}$")):
        features[part] = features.get(part, 0.0) + _WORDS
    for part in (*(f"{pair}<" for pair in _pairs(before)), *(f">{pair}" for pair in _pairs(after))):
        features[part] = features.get(part, 0.0) + 1.0
    return features


def text_features(text: str) -> Features:
    """Pairs of neighbouring characters of a text, counted."""
    return {pair: float(count) for pair, count in Counter(_pairs(text)).items()}


def _pairs(text: str) -> Iterable[str]:
    return (text[index : index + 2] for index in range(len(text) - 1))
