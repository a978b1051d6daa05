"""Made-up members: right with a known probability, so that what is fitted on them can be checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from hybridner.ensemble import Ballot, FixedThreshold, Predictions
from hybridner.spans import Record, Span

LABELS = ("O", "LOC", "ORG", "PER")


def made_up_predictions(
    count: int = 600, accuracy: tuple[float, ...] = (0.9, 0.75, 0.6, 0.8), sharpness: float = 2.0, seed: int = 0
) -> Predictions:
    """Texts with two candidates each. The last member is the scorer; its logits are `sharpness` times the calibrated ones."""
    dice = np.random.default_rng(seed)
    size, members = len(LABELS), len(accuracy)
    gold = np.where(dice.random(2 * count) < 0.5, 0, dice.integers(1, size, 2 * count))
    spans = np.array([(row, start, start + 2) for row in range(count) for start in (0, 4)])
    probabilities = np.empty((members, 2 * count, size))
    votes = np.empty((members, 2 * count), dtype=np.int64)
    for member, right in enumerate(accuracy):
        # A probability of being right is drawn, then whether it is: calibrated by construction.
        certainty = np.clip(dice.beta(8 * right, 8 * (1 - right), 2 * count), 0.3, 0.99)
        other = (gold + dice.integers(1, size, 2 * count)) % size
        votes[member] = np.where(dice.random(2 * count) < certainty, gold, other)
        probabilities[member] = ((1 - certainty) / (size - 1))[:, None]
        probabilities[member, np.arange(2 * count), votes[member]] = certainty
    logits = sharpness * np.log(probabilities[-1])
    softmax = np.exp(logits)
    probabilities[-1] = softmax / softmax.sum(1, keepdims=True)
    records = tuple(
        Record(
            "甲乙丙丁戊己",
            tuple(Span(4 * k, 4 * k + 2, LABELS[gold[2 * row + k]]) for k in (0, 1) if gold[2 * row + k]),
            str(row),
            f"document {row // 3}",
        )
        for row in range(count)
    )
    names = ("a", "b", "c", "spanner")[-members:]
    return Predictions(records, Ballot(spans, votes, logits, probabilities, members - 1), LABELS, names, np.arange(count) % 3)


def fixed_thresholds(labels: Sequence[str]) -> st.SearchStrategy[FixedThreshold]:
    """One τ, or some of the labels with a τ of their own."""
    return st.builds(FixedThreshold, st.floats(0, 1), st.dictionaries(st.sampled_from(labels), st.floats(0, 1)))
