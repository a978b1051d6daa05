"""The members' votes and scores for the candidate spans of a batch of texts, as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ABSTAIN = -1
"""The vote of a member that cannot score a span (SpanNER, when it is longer than L)."""


@dataclass(frozen=True)
class Ballot:
    """C candidate spans, m members, K entity types; in every K + 1 axis index 0 is O. The columns of
    `votes` are the multisets Ŷ(s) of section 2.4.3, `logits` the logarithms of its scores (equation 6).

    Attributes:
        spans: [C, 3] row of the text in its batch, start, end (exclusive); sorted.
        votes: [m, C] the label each member proposed for the span, 0 (O) when it did not propose it, ABSTAIN when it cannot.
        logits: [C, K + 1] SpanNER's scores sᵀy; all 0 for spans it cannot score.
        probabilities: [m, C, K + 1] each member's own P(label | span): SpanNER's softmax, a tagger's exact CRF span marginal.
        scorer: the number of SpanNER among the members; None when there is none and `logits` are the members' mean_probabilities.

    Examples:
        >>> spans, logits = np.array([[0, 0, 2]]), np.array([[0.0, 1.0, 2.0]])      # one span; O and two labels
        >>> votes = np.array([[1], [2], [2]])                                      # of three members, the last of them SpanNER
        >>> ballot = Ballot(spans, votes, logits, np.full((3, 1, 3), 1 / 3), scorer=2)
        >>> ballot.vote_counts.tolist()
        [[0.0, 1.0, 2.0]]
        >>> COMBINERS["score"](ballot, None).argmax(axis=1).tolist()
        [2]
    """

    spans: Integers
    votes: Integers
    logits: Floats
    probabilities: Floats
    scorer: int | None

    @property
    def num_labels(self) -> int:
        """K + 1."""
        return int(self.logits.shape[1])

    @cached_property
    def vote_counts(self) -> Floats:
        """[C, K + 1] how many members voted for each label; abstentions count for none."""
        return self.weighted_votes(np.ones((len(self.votes), self.num_labels)))

    @cached_property
    def can_score(self) -> NDArray[np.bool_]:
        """[m, C] whether the member can score the span; where not, it abstains."""
        return np.asarray(self.votes != ABSTAIN)

    @cached_property
    def mean_probabilities(self) -> Floats:
        """[C, K + 1] P(label | span) averaged over the members that can score the span."""
        total = np.einsum("mck,mc->ck", self.probabilities, self.can_score)
        return np.asarray(total / np.maximum(self.can_score.sum(axis=0), 1)[:, None])

    def weighted_votes(self, weights: Floats) -> Floats:
        """[C, K + 1] the sum of the weights [m, K + 1] of those who voted for each label."""
        total = np.zeros_like(self.logits)
        for vote, weight in zip(self.votes, weights, strict=True):
            voters = np.flatnonzero(vote != ABSTAIN)
            total[voters, vote[voters]] += weight[vote[voters]]
        return total

    def with_temperature(self, temperature: float) -> Ballot:
        """With SpanNER's scores divided by a temperature, and its probabilities made from them anew."""
        if temperature == 1.0:
            return self
        logits = self.logits / temperature
        if self.scorer is None:
            return replace(self, logits=logits)
        probabilities = self.probabilities.copy()
        probabilities[self.scorer] = np.exp(log_softmax(logits, axis=1))
        return replace(self, logits=logits, probabilities=probabilities)

    def select_members(self, numbers: Sequence[int]) -> Ballot:
        """As if only these members had been there; candidates that now nobody proposes stay."""
        kept = list(numbers)
        scorer = kept.index(self.scorer) if self.scorer in kept else None
        return replace(self, votes=self.votes[kept], probabilities=self.probabilities[kept], scorer=scorer)

    def select_texts(self, rows: Sequence[int] | Integers) -> Ballot:
        """Only the candidates of these texts, in their order, numbered from 0."""
        wanted = np.asarray(rows, dtype=np.int64)
        border = np.searchsorted(self.spans[:, 0], np.stack([wanted, wanted + 1]))
        counts = border[1] - border[0]
        index = np.repeat(border[0] - np.concatenate([[0], counts.cumsum()[:-1]]), counts) + np.arange(counts.sum())
        spans = self.spans[index].copy()
        spans[:, 0] = np.repeat(np.arange(len(wanted)), counts)
        return self._replaced(index, spans)

    def select_candidates(self, numbers: Integers) -> Ballot:
        """Only these candidates; texts keep their numbers."""
        return self._replaced(numbers, self.spans[numbers])

    def _replaced(self, index: Integers, spans: Integers) -> Ballot:
        return Ballot(spans, self.votes[:, index], self.logits[index], self.probabilities[:, index], self.scorer)


def merge_ballots(parts: Sequence[Ballot], rows: Sequence[Sequence[int]]) -> Ballot:
    """One ballot out of many over the same members and labels.

    Args:
        parts: the ballots.
        rows: for each part the new number of each of its texts.

    Examples:
        >>> merge_ballots([predictions.ballot.select_texts([0]), predictions.ballot.select_texts([1])], [[1], [0]]).spans.tolist()
        [[0, 0, 2], [0, 4, 6], [1, 0, 2], [1, 4, 6]]
    """
    spans = []
    for part, numbers in zip(parts, rows, strict=True):
        moved = part.spans.copy()
        moved[:, 0] = np.asarray(numbers, dtype=np.int64)[part.spans[:, 0]]
        spans.append(moved)
    whole = Ballot(
        np.concatenate(spans),
        np.concatenate([part.votes for part in parts], axis=1),
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.probabilities for part in parts], axis=1),
        parts[0].scorer,
    )
    order = np.lexsort(whole.spans.T[::-1])
    return whole._replaced(order, whole.spans[order])
