"""What to annotate next: texts the model is unsure of, and unlike each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from hybridner.ensemble.ballot import Floats
from hybridner.ensemble.candidates import Candidate
from hybridner.ensemble.error_probability import beyond_the_domain

#: Keeps an order among certain texts, and among repetitions.
_LITTLE = 1e-9


def next_to_annotate(
    texts: Sequence[str],
    candidates: Sequence[Sequence[Candidate]],
    count: int,
    ood_scores: Sequence[float | None] | None = None,
) -> list[int]:
    """Numbers of the texts to annotate next, the most useful first: `doubtful_and_diverse` by the sum of their candidates'
    uncertainties, which is about how many of the model's decisions in a text are wrong.

    Args:
        texts: those to choose from.
        candidates: of each text, as `HybridNerModel.predict` gives them.
        count: how many; fewer come when there are no more texts.
        ood_scores: of each text. In a text unlike those the model knows one error more is expected, of an entity that it did not
            even take for one.
    """
    doubt = np.array([sum(candidate.uncertainty for candidate in row) for row in candidates])
    known = np.array([score or 0.0 for score in ood_scores or [0.0] * len(texts)])
    return doubtful_and_diverse(texts, doubt + beyond_the_domain(np.zeros(len(texts)), known), count)


def doubtful_and_diverse(texts: Sequence[str], doubt: Sequence[float] | Floats, count: int) -> list[int]:
    """Numbers of texts in a good order to look at them.

    Greedy: each time the text of the largest doubt · (1 - its similarity to the most similar text taken before). Without the
    second factor the same difficulty would be taken again and again.

    Args:
        texts: those to choose from.
        doubt: how many errors are expected in each; all alike make the choice one of diversity alone.
        count: how many; fewer come when there are no more texts.
    """
    expected = np.asarray(doubt, dtype=np.float64)
    vectors = _bigram_vectors(texts)
    closest = np.zeros(len(texts))
    chosen: list[int] = []
    for _ in range(min(count, len(texts))):
        gain = (expected + _LITTLE) * (1.0 + _LITTLE - closest)
        gain[chosen] = -1.0
        best = int(gain.argmax())
        chosen.append(best)
        similarity = (vectors @ vectors[best].T).toarray().ravel()
        closest = np.maximum(closest, np.minimum(similarity, 1.0))
    return chosen


def _bigram_vectors(texts: Sequence[str]) -> csr_matrix:
    """[N, V] unit vectors of the pairs of neighbouring characters in each text, weighted by how rare they are (tf-idf)."""
    counts = [Counter(text[i : i + 2] for i in range(len(text) - 1)) for text in texts]
    column = {pair: number for number, pair in enumerate(dict.fromkeys(pair for row in counts for pair in row))}
    rows = np.repeat(np.arange(len(texts)), [len(row) for row in counts])
    columns = np.array([column[pair] for row in counts for pair in row], dtype=np.int64)
    values: Floats = np.array([count for row in counts for count in row.values()], dtype=np.float64)
    if len(column):
        values = values * np.log(len(texts) / np.bincount(columns, minlength=len(column)) + 1.0)[columns]
    lengths = np.sqrt(np.bincount(rows, weights=values**2, minlength=len(texts)))
    return csr_matrix((values / lengths[rows], (rows, columns)), shape=(len(texts), max(len(column), 1)))
