"""Uncertainty of a combined label, six ways, all in [0, 1]: 0 is certain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

from hybridner.ensemble.ballot import Ballot, Floats, Integers
from hybridner.ensemble.error_probability import ErrorModel, beyond_the_domain


@dataclass(frozen=True)
class ScoringContext:
    """All that is known about C candidates once they have a label.

    Attributes:
        ballot: with SpanNER's scores divided by the temperature.
        log_probs: [C, K + 1] ln P(label | span) of the strategy.
        label_probs: [C, K + 1] P(label | span) that an entity's `score` is taken from, whatever the strategy.
        labels: [C] the combined label.
        error_model: what `hybridner calibrate` learned about errors.
        ood_scores: [C] how untypical the surroundings are, where that is known.
    """

    ballot: Ballot
    log_probs: Floats
    label_probs: Floats
    labels: Integers
    error_model: ErrorModel | None = None
    ood_scores: Floats | None = None

    def of_label(self, values: Floats) -> Floats:
        """The entry of each candidate's own label: [C, K + 1] -> [C]."""
        return np.asarray(np.take_along_axis(values, self.labels[:, None], axis=1)[:, 0])


def spanner(context: ScoringContext) -> Floats:
    """The paper's: u = 1 - max softmax of SpanNER's scores (equations 8 and 9); it never exceeds 1 - 1/(K + 1)."""
    return _one_minus_exp(log_softmax(context.ballot.logits, axis=1).max(axis=1))


def combined(context: ScoringContext) -> Floats:
    """u = 1 - P(label) under the strategy's own distribution."""
    return _one_minus_exp(context.of_label(context.log_probs))


def score(context: ScoringContext) -> Floats:
    """u = 1 - P(label) under the distribution that scores are taken from."""
    return np.asarray(np.clip(1.0 - context.of_label(context.label_probs), 0.0, 1.0))


def disagreement(context: ScoringContext) -> Floats:
    """The share of the members that can score the span and voted for something else."""
    ballot = context.ballot
    return np.asarray(1.0 - context.of_label(ballot.vote_counts) / np.maximum(ballot.can_score.sum(axis=0), 1))


def entropy(context: ScoringContext) -> Floats:
    """Entropy of the distribution that scores are taken from, divided by ln(K + 1)."""
    probabilities = context.label_probs
    nats = 0.0 - (probabilities * np.log(np.clip(probabilities, 1e-12, 1.0))).sum(axis=1)
    return np.asarray(np.clip(nats / np.log(probabilities.shape[1]), 0.0, 1.0))


def _one_minus_exp(logs: Floats) -> Floats:
    """1 - exp(logs), exact where they are near 0, and neither below 0 by a rounding nor a minus zero."""
    return np.asarray(np.clip(0.0 - np.expm1(logs), 0.0, 1.0))


_Measure = Callable[[ScoringContext], Floats]

#: What `error` is fitted on; the order is part of stored composites.
SINGLE_MEASURES: dict[str, _Measure] = {
    "spanner": spanner,
    "combined": combined,
    "score": score,
    "disagreement": disagreement,
    "entropy": entropy,
}


def measures(context: ScoringContext) -> Floats:
    """[C, M] all single measures."""
    return np.stack([measure(context) for measure in SINGLE_MEASURES.values()], axis=1)


def error(context: ScoringContext) -> Floats:
    """The probability that the label is wrong, from all the other measures, length, label and ood_score; before `hybridner
    calibrate` has fitted it, the same as `score`, which is a fair guess at it."""
    model, spans = context.error_model, context.ballot.spans
    inside = (
        score(context) if model is None else model.probabilities(measures(context), spans[:, 2] - spans[:, 1], context.labels)
    )
    return inside if context.ood_scores is None else beyond_the_domain(inside, context.ood_scores)


UNCERTAINTIES: dict[str, _Measure] = {**SINGLE_MEASURES, "error": error}
"""Measures of doubt by the name users give them; each gives [C] numbers u from 0 to 1."""
