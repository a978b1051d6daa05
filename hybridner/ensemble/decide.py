"""From a ballot to decided candidates: one label per span, its uncertainty, and the best set of entities of each text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hybridner.ensemble.ballot import ABSTAIN, Ballot, Floats
from hybridner.ensemble.candidates import Candidate
from hybridner.ensemble.combiners import COMBINERS
from hybridner.ensemble.error_probability import ErrorModel
from hybridner.ensemble.log_odds import log_odds
from hybridner.ensemble.ood import SpanFamiliarity
from hybridner.ensemble.predictions import Predictions
from hybridner.ensemble.uncertainty import UNCERTAINTIES, ScoringContext, error
from hybridner.ensemble.weights import CombinerWeights
from hybridner.spans import RESOLVERS

#: Log-odds against O are cut off here.
MAX_LOG_ODDS = 14.0


@dataclass(frozen=True)
class DecisionSettings:
    """How a ballot is decided.

    Attributes:
        strategy: a key of `COMBINERS`.
        decoding: "flat" (no overlap) or "nested" (no crossing).
        uncertainty: a key of `UNCERTAINTIES`.
        temperature: SpanNER's scores are divided by it.
        weights: what strategies beyond `UNFITTED` need.
        error_model: what the uncertainty "error" needs; with it each candidate gets an `error_probability`.

    Examples:
        >>> settings = DecisionSettings(strategy="majority", decoding="nested")
        >>> sum(candidate.is_entity for row in decide_predictions(predictions, settings) for candidate in row) > 50
        True
    """

    strategy: str = "score"
    decoding: str = "flat"
    uncertainty: str = "spanner"
    temperature: float = 1.0
    weights: CombinerWeights | None = None
    error_model: ErrorModel | None = None


def decide(
    ballot: Ballot,
    num_texts: int,
    labels: Sequence[str],
    members: Sequence[str],
    settings: DecisionSettings,
    familiarity: SpanFamiliarity | None = None,
) -> list[list[Candidate]]:
    """Label every candidate (equations 5 and 7: the label of the highest P(l | s)) and choose the entities of each text.

    Args:
        ballot: candidates of a batch, with SpanNER's scores as they are.
        num_texts: how many texts the batch has.
        labels: the K + 1 label names, O first.
        members: the m member names in the order of `ballot.votes`.
        settings: how.
        familiarity: how typical the candidates' surroundings are, where that is known.

    Returns:
        the candidates of each text, sorted by start, then longer first.

    Examples:
        >>> ballot = predictions.ballot.select_texts([0])
        >>> rows = decide(ballot, 1, predictions.labels, predictions.members, DecisionSettings(strategy="majority"))
        >>> [(candidate.start, candidate.end) for candidate in rows[0]]
        [(0, 2), (4, 6)]
    """
    ballot = ballot.with_temperature(settings.temperature)
    context = score_candidates(ballot, settings, None if familiarity is None else familiarity.scores)
    weights = log_odds(context.log_probs.max(axis=1), context.log_probs[:, 0], MAX_LOG_ODDS)
    uncertainty = UNCERTAINTIES[settings.uncertainty](context)
    error_probability = None if settings.error_model is None else error(context)
    order = np.lexsort((-ballot.spans[:, 2], ballot.spans[:, 1], ballot.spans[:, 0]))
    borders = np.searchsorted(ballot.spans[order, 0], np.arange(num_texts + 1))
    results: list[list[Candidate]] = []
    for row in range(num_texts):
        indices = order[borders[row] : borders[row + 1]]
        spans = [(int(start), int(end)) for _, start, end in ballot.spans[indices]]
        entities = set(RESOLVERS[settings.decoding](spans, weights[indices].tolist()))
        results.append(
            [
                Candidate(
                    start,
                    end,
                    labels[context.labels[index]],
                    position in entities,
                    _with_top(context.label_probs[index], int(context.labels[index])),
                    float(weights[index]),
                    float(uncertainty[index]),
                    {
                        member: labels[vote]
                        for member, vote in zip(members, ballot.votes[:, index].tolist(), strict=True)
                        if vote != ABSTAIN
                    },
                    error_probability=None if error_probability is None else float(error_probability[index]),
                    ood_score=None if familiarity is None else float(familiarity.scores[index]),
                    is_unfamiliar=familiarity is not None and bool(familiarity.unfamiliar[index]),
                )
                for position, (index, (start, end)) in enumerate(zip(indices, spans, strict=True))
            ]
        )
    return results


def decide_predictions(predictions: Predictions, settings: DecisionSettings) -> list[list[Candidate]]:
    """The candidates of each record, decided.

    Args:
        predictions: of N records.
        settings: how.

    Returns:
        N lists of candidates, as `decide` returns them.

    Examples:
        >>> len(decide_predictions(predictions, DecisionSettings()))
        60
    """
    return decide(predictions.ballot, len(predictions), predictions.labels, predictions.members, settings)


def score_candidates(ballot: Ballot, settings: DecisionSettings, ood_scores: Floats | None = None) -> ScoringContext:
    """Distributions and labels of a ballot with the temperature of the settings.

    Scores come from the most trustworthy P(label | span) at hand, whatever the strategy: the pool, or the members' average.
    """
    weights = settings.weights
    log_probs = COMBINERS[settings.strategy](ballot, weights)
    label_probs = ballot.mean_probabilities if weights is None else weights.pool.probabilities(ballot)
    return ScoringContext(ballot, log_probs, label_probs, log_probs.argmax(axis=1), settings.error_model, ood_scores)


def _with_top(distribution: Floats, label: int) -> tuple[float, ...]:
    """The distribution with its largest value given to `label`: what the combiner chose counts as most probable."""
    values = distribution.tolist()
    top = int(distribution.argmax())
    values[label], values[top] = values[top], values[label]
    return tuple(values)
