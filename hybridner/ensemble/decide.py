"""From a ballot to decided candidates: one label per span, its uncertainty, and the best set of entities of each text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hybridner.ensemble.ballot import ABSTAIN, Ballot, Floats
from hybridner.ensemble.candidates import Candidate
from hybridner.ensemble.combiners import COMBINERS, pooled_probabilities
from hybridner.ensemble.fitted import Fitted
from hybridner.ensemble.log_odds import log_odds
from hybridner.ensemble.uncertainty import UNCERTAINTIES, Opinions
from hybridner.spans import RESOLVERS

#: Log-odds against O are cut off here.
MAX_LOG_ODDS = 14.0


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
    weights = log_odds(combined.max(axis=1), combined[:, 0], MAX_LOG_ODDS)
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


def _with_top(distribution: Floats, label: int) -> tuple[float, ...]:
    """The distribution with its largest value given to `label`: what the combiner chose counts as most probable."""
    values = distribution.tolist()
    top = int(distribution.argmax())
    values[label], values[top] = values[top], values[label]
    return tuple(values)
