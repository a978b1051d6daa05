"""Uncertainty of a combined label, five ways, all in [0, 1]: 0 is certain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hybridner.ensemble.ballot import Ballot, Floats, Integers, log_softmax


@dataclass(frozen=True)
class Opinions:
    """All that is known about C candidates once they have a label.

    Attributes:
        ballot: tempered.
        combined: [C, K + 1] ln P(label | span) of the strategy.
        belief: [C, K + 1] P(label | span) that an entity's `score` is taken from; see `beliefs`.
        label: [C] the combined label.
    """

    ballot: Ballot
    combined: Floats
    belief: Floats
    label: Integers

    def of_label(self, values: Floats) -> Floats:
        """The entry of each candidate's own label: [C, K + 1] -> [C]."""
        return np.asarray(np.take_along_axis(values, self.label[:, None], axis=1)[:, 0])


def spanner(opinions: Opinions) -> Floats:
    """The paper's: u = 1 - max softmax of SpanNER's scores (equations 8 and 9); it never exceeds 1 - 1/(K + 1)."""
    return np.asarray(-np.expm1(log_softmax(opinions.ballot.logits).max(axis=1)))


def combined(opinions: Opinions) -> Floats:
    """u = 1 - P(label) under the strategy's own distribution."""
    return np.asarray(np.clip(-np.expm1(opinions.of_label(opinions.combined)), 0.0, 1.0))


def score(opinions: Opinions) -> Floats:
    """u = 1 - P(label) under the distribution that scores are taken from."""
    return np.asarray(np.clip(1.0 - opinions.of_label(opinions.belief), 0.0, 1.0))


def disagreement(opinions: Opinions) -> Floats:
    """The share of the members that can judge the span and voted for something else."""
    ballot = opinions.ballot
    return np.asarray(1.0 - opinions.of_label(ballot.vote_counts) / np.maximum(ballot.judges.sum(axis=0), 1.0))


def entropy(opinions: Opinions) -> Floats:
    """Entropy of the distribution that scores are taken from, divided by ln(K + 1)."""
    probabilities = opinions.belief
    nats = -(probabilities * np.log(np.clip(probabilities, 1e-12, 1.0))).sum(axis=1)
    return np.asarray(np.clip(nats / np.log(probabilities.shape[1]), 0.0, 1.0))


#: By the name users give them.
UNCERTAINTIES: dict[str, Callable[[Opinions], Floats]] = {
    "spanner": spanner,
    "combined": combined,
    "score": score,
    "disagreement": disagreement,
    "entropy": entropy,
}
