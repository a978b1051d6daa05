"""From a ballot to decided candidates: one label per span, its uncertainty, and the best set of entities of each text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hybridner.ensemble.ballot import ABSTAIN, Ballot, Floats, log_softmax
from hybridner.ensemble.combiners import COMBINERS
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
        distribution: P(label | span) over the K + 1 labels, O first: the members' own probabilities averaged, with the largest
            one given to the combined label.
        weight: ln P(label) - ln P(O) under the strategy, in nats: what the best set of entities is chosen by; 0 for O.
        uncertainty: u = 1 - max P(y | span) of SpanNER's softmax (equations 8 and 9).
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


def spanner_uncertainty(logits: Floats) -> Floats:
    """u = 1 - max softmax of each row of [C, K + 1] (equations 8 and 9); 0 is certain, 1 - 1/(K + 1) knows nothing."""
    return np.asarray(-np.expm1(log_softmax(logits).max(axis=-1)))


def decide(
    ballot: Ballot, texts: int, labels: Sequence[str], members: Sequence[str], *, strategy: str, decoding: str
) -> list[list[Candidate]]:
    """Label every candidate and choose the entities of each text.

    Args:
        ballot: candidates of a batch.
        texts: how many texts the batch has.
        labels: the K + 1 label names, O first.
        members: the m member names in the order of `ballot.votes`.
        strategy: a key of `COMBINERS`.
        decoding: "flat" or "nested".

    Returns:
        the candidates of each text, sorted by start, then longer first.
    """
    combined = COMBINERS[strategy](ballot)
    chosen_label = combined.argmax(axis=1)
    weights = _log_odds(combined, chosen_label)
    uncertainty = spanner_uncertainty(ballot.logits)
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
                    _with_top(ballot.average[index], int(chosen_label[index])),
                    float(weights[index]),
                    float(uncertainty[index]),
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
