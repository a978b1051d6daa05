"""Fitting the probability of an error on decisions about records that nothing was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hybridner.calibration.evaluated import Parts
from hybridner.calibration.logistic import fit_logistic
from hybridner.ensemble import DecisionSettings, ErrorModel, Predictions
from hybridner.ensemble.ballot import Floats, Integers
from hybridner.ensemble.decide import decide_predictions, score_candidates
from hybridner.ensemble.error_probability import error_features
from hybridner.ensemble.uncertainty import SINGLE_MEASURES, measures

#: How strongly weights are held to 0, over the number of candidates; chosen on out-of-fold predictions of CLUENER.
_RIDGE = 100.0
#: Where the measure `score` stands among the features, and where the labels begin.
_SCORE = list(SINGLE_MEASURES).index("score")
_LABELS = len(SINGLE_MEASURES) + 2


def fit_error_model(parts: Parts, strategy: str) -> ErrorModel:
    """Fit on all parts, each decided with the settings that were fitted on the others.

    Args:
        parts: see `cross_fit`.
        strategy: whose labels are right or wrong.
    """
    rows = [_candidates(part, replace(settings, strategy=strategy)) for part, settings in parts]
    return _fit(rows)


def with_error_models(parts: Parts, strategy: str) -> Parts:
    """The parts, each with an error model that was fitted on the decisions about the others: figures on them are honest."""
    rows = [_candidates(part, replace(settings, strategy=strategy)) for part, settings in parts]
    return [
        (part, replace(settings, error_model=_fit([row for other, row in enumerate(rows) if other != number])))
        for number, (part, settings) in enumerate(parts)
    ]


def _candidates(predictions: Predictions, settings: DecisionSettings) -> tuple[Floats, Integers, np.ndarray]:
    """Features, labels and errors of the candidates that count: entities of the result, and spans whose label is O."""
    ballot = predictions.ballot.with_temperature(settings.temperature)
    context = score_candidates(ballot, settings)
    entities = {
        (row, candidate.start, candidate.end)
        for row, found in enumerate(decide_predictions(predictions, settings))
        for candidate in found
        if candidate.is_entity
    }
    spans = map(tuple, ballot.spans.tolist())
    counts = np.array(
        [label == 0 or span in entities for span, label in zip(spans, context.labels.tolist(), strict=True)], dtype=bool
    )
    features = error_features(measures(context), ballot.spans[:, 2] - ballot.spans[:, 1], context.labels, ballot.num_labels)
    return features[counts], context.labels[counts], (context.labels != predictions.gold)[counts]


def _fit(rows: Sequence[tuple[Floats, Integers, np.ndarray]]) -> ErrorModel:
    features, labels, wrong = (np.concatenate(values) for values in zip(*rows, strict=True))
    return ErrorModel(*(_weights(features[chosen], wrong[chosen]) for chosen in (labels > 0, labels == 0)))


def _weights(features: Floats, wrong: np.ndarray) -> Floats:
    """Those of one regression. What nothing is known about is taken from the measure `score`: with weight 1 it gives itself."""
    weights = np.zeros(features.shape[1])
    if len(features):
        importance = np.full(len(features), 1 / len(features))
        weights, intercept = fit_logistic(features, wrong, importance, _RIDGE / len(features), features[:, _SCORE])
        # Each candidate has exactly one label, so the labels can carry the intercept.
        weights[_LABELS:] += intercept
    weights[_SCORE] += 1.0
    return weights
