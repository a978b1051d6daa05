"""What the members say about the candidate spans of a batch of texts, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: The vote of a member that cannot judge a span (SpanNER, when it is longer than L).
ABSTAIN = -1


@dataclass(frozen=True)
class Ballot:
    """C candidate spans, m members, K entity types; in every K + 1 axis index 0 is O.

    Attributes:
        spans: [C, 3] row of the text in its batch, start, end (exclusive).
        votes: [m, C] the label each member proposed for the span, 0 (O) when it did not propose it, ABSTAIN when it cannot.
        logits: [C, K + 1] SpanNER's scores sᵀy, divided by the temperature; all 0 for spans it cannot judge.
        probabilities: [m, C, K + 1] each member's own P(label | span): SpanNER's softmax, a tagger's exact CRF span marginal.
    """

    spans: Integers
    votes: Integers
    logits: Floats
    probabilities: Floats

    @property
    def num_labels(self) -> int:
        """K + 1."""
        return int(self.logits.shape[1])

    @cached_property
    def vote_counts(self) -> Floats:
        """[C, K + 1] how many members voted for each label; abstentions count for none."""
        return np.stack([(self.votes == label).sum(0) for label in range(self.num_labels)], axis=1).astype(np.float64)

    @cached_property
    def average(self) -> Floats:
        """[C, K + 1] P(label | span) averaged over the members that can judge the span."""
        judges = (self.votes != ABSTAIN)[..., None]
        return np.asarray((self.probabilities * judges).sum(axis=0) / np.maximum(judges.sum(axis=0), 1))
