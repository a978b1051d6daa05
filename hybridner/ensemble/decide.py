"""From a ballot to decided candidates: one label per span, its uncertainty, and the best set of entities of each text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hybridner.ensemble.ballot import ABSTAIN, Ballot, Floats
from hybridner.ensemble.combiners import COMBINERS, pooled_probabilities
from hybridner.ensemble.fitted import Fitted
from hybridner.ensemble.uncertainty import UNCERTAINTIES, Opinions
from hybridner.spans import NON_ENTITY, RESOLVERS

#: Log-odds against O are cut off here, so that a span nobody calls O still has a finite weight.
_CERTAIN = 14.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that some member proposed or that SpanNER nearly did, and what the ensemble makes of it.

    Attributes:
        start, end: characters [start, end) of the text.
        label: the combined label; "O" when the votes went against an entity.
        chosen: whether it is one of the text's entities (a label other than O, and part of the best set under the decoding).
        distribution: P(label | span) over the K + 1 labels, O first: the log-linear pool where it is fitted, else the members'
            own probabilities averaged; the largest one is given to the combined label.
        weight: ln P(label) - ln P(O) under the strategy, in nats: what the best set of entities is chosen by; 0 for O.
        uncertainty: u in [0, 1]; by default 1 - max P(y | span) of SpanNER's softmax (equations 8 and 9), see `UNCERTAINTIES`.
        votes: label that each member gave the span ("O" for none); a member that cannot judge it is missing.
    """

    start: int
    end: int
    label: str
    chosen: bool
    distribution: tuple[float, ...]
    weight: float
    uncertainty: float
    votes: dict[str, str]

    @property
    def score(self) -> float:
        """P(label | span) of the combined label."""
        return max(self.distribution)


def decide(
    ballot: Ballot,
    texts: int,
    labels: Sequence[str],
    members: Sequence[str],
    *,
    strategy: str,
    decoding: str,
    fitted: Fitted | None = None,
    uncertainty: str = "spanner",
) -> list[list[Candidate]]:
    """Label every candidate and choose the entities of each text.

    Args:
        ballot: candidates of a batch.
        texts: how many texts the batch has.
        labels: the K + 1 label names, O first.
        members: the m member names in the order of `ballot.votes`.
        strategy: a key of `COMBINERS`.
        decoding: "flat" or "nested".
        fitted: what strategies beyond `UNFITTED` need.
        uncertainty: a key of `UNCERTAINTIES`.

    Returns:
        the candidates of each text, sorted by start, then longer first.
    """
    combined = COMBINERS[strategy](ballot, fitted)
    chosen_label = combined.argmax(axis=1)
    weights = _log_odds(combined, chosen_label)
    belief = beliefs(ballot, fitted)
    doubt = UNCERTAINTIES[uncertainty](Opinions(ballot, combined, belief, chosen_label))
    resolve = RESOLVERS[decoding]
    order = np.lexsort((-ballot.spans[:, 2], ballot.spans[:, 1], ballot.spans[:, 0]))
    borders = np.searchsorted(ballot.spans[order, 0], np.arange(texts + 1))
    results: list[list[Candidate]] = []
    for row in range(texts):
        indices = order[borders[row] : borders[row + 1]]
        spans = [(int(start), int(end)) for _, start, end in ballot.spans[indices]]
        taken = set(resolve(spans, weights[indices].tolist()))
        results.append(
            [
                Candidate(
                    start,
                    end,
                    labels[chosen_label[index]],
                    position in taken,
                    _with_top(belief[index], int(chosen_label[index])),
                    float(weights[index]),
                    float(doubt[index]),
                    {
                        member: labels[vote]
                        for member, vote in zip(members, ballot.votes[:, index].tolist(), strict=True)
                        if vote != ABSTAIN
                    },
                )
                for position, (index, (start, end)) in enumerate(zip(indices, spans, strict=True))
            ]
        )
    return results


def beliefs(ballot: Ballot, fitted: Fitted | None) -> Floats:
    """[C, K + 1] the most trustworthy P(label | span) at hand, whatever the strategy: the pool, or the members' average."""
    return ballot.average if fitted is None else pooled_probabilities(ballot, fitted)


def _log_odds(combined: Floats, label: np.ndarray) -> Floats:
    """ln P(label) - ln P(O), within ±_CERTAIN; 0 for O itself."""
    chosen = np.take_along_axis(combined, label[:, None], axis=1)[:, 0]
    return np.asarray(np.clip(np.nan_to_num(chosen - combined[:, 0], posinf=_CERTAIN), -_CERTAIN, _CERTAIN))


def _with_top(distribution: Floats, label: int) -> tuple[float, ...]:
    """The distribution with its largest value given to `label`: what the combiner chose counts as most probable."""
    values = distribution.tolist()
    top = int(distribution.argmax())
    values[label], values[top] = values[top], values[label]
    return tuple(values)


def entities(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Only those that were chosen as entities."""
    return [candidate for candidate in candidates if candidate.chosen and candidate.label != NON_ENTITY]
