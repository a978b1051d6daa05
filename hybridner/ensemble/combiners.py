"""Combining strategies: pure functions from a ballot to ln P(label | span), one interface for all.

Each returns [C, K + 1] natural logarithms of a distribution over the labels; the combined label of a span is the argmax.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hybridner.ensemble.ballot import Ballot, Floats, log_softmax

Combiner = Callable[[Ballot], Floats]


def score(ballot: Ballot) -> Floats:
    """The paper's combiner (equations 4 and 6): P(l | s) ∝ votes(l) · exp(sᵀl), computed as softmax(sᵀl + ln votes(l))."""
    with np.errstate(divide="ignore"):
        return log_softmax(ballot.logits + np.log(ballot.vote_counts))


def majority(ballot: Ballot) -> Floats:
    """Majority voting, VM (section 3.2): P(l | s) = votes(l) / votes. O wins a tie, being by far the most frequent label of
    spans; among entity types the one that the members find more probable on average."""
    counts = ballot.vote_counts
    tie_break = ballot.average.copy()
    tie_break[:, 0] = 1.0
    with np.errstate(divide="ignore"):
        # The tie-break is far smaller than the smallest difference between two counts.
        return log_softmax(np.log(counts * (1.0 + 1e-6 * tie_break)))


def mean(ballot: Ballot) -> Floats:
    """The members' own probabilities averaged: a vote that says how sure it is. Not in the paper."""
    return np.asarray(np.log(np.clip(ballot.average, 1e-12, 1.0)))


#: Strategies by the name users give them.
COMBINERS: dict[str, Combiner] = {"score": score, "majority": majority, "mean": mean}
