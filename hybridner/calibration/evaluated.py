"""Fitting a composite's decision settings, and what they decide about labelled records that they were not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hybridner.calibration.stackers import fit_stacker
from hybridner.calibration.temperature import fit_temperature
from hybridner.calibration.weights import fit_combiner
from hybridner.data import assign_folds
from hybridner.ensemble import Candidate, DecisionSettings, Predictions, decide_predictions, select_entities
from hybridner.spans import Span

#: Folds that weights are cross-fitted over when the predictions have none of their own.
_FOLDS, _SEED = 5, 42

#: Records, each part with settings that were fitted on other records.
Parts = Sequence[tuple[Predictions, DecisionSettings]]


def fit_settings(predictions: Predictions, stackers: Sequence[str] = (), decoding: str = "flat") -> DecisionSettings:
    """Fit the temperature, and then all weights and the named stackers on scores divided by it.

    Args:
        predictions: labelled, of sentences that no member was trained for.
        stackers: which of `STACKERS` to fit as well.
        decoding: "flat" or "nested".

    Raises:
        ModelError: see `fit_stacker`.

    Examples:
        >>> fit_settings(predictions).temperature > 1
        True
    """
    temperature = fit_temperature(predictions.ballot.logits, predictions.gold)
    predictions = replace(predictions, ballot=predictions.ballot.with_temperature(temperature))
    weights = replace(fit_combiner(predictions, decoding), stackers={kind: fit_stacker(kind, predictions) for kind in stackers})
    return DecisionSettings(decoding=decoding, temperature=temperature, weights=weights)


def cross_fit(predictions: Predictions, stackers: Sequence[str] = (), decoding: str = "flat") -> Parts:
    """The predictions in folds, each with what was fitted on all the others: figures on them are honest.

    The folds are those of the predictions, or five new ones (section 3.1) where these have none.

    Args:
        predictions: labelled, of sentences that no member was trained for.
        stackers: which of `STACKERS` to fit as well.
        decoding: "flat" or "nested".

    Examples:
        >>> parts = cross_fit(predictions)
        >>> evaluate(parts, "majority").f1() > 0.5
        True
    """
    folds = predictions.folds
    if len(np.unique(folds)) < 2:
        folds = np.array(assign_folds(predictions.records, _FOLDS, _SEED))
    return [
        (
            predictions.select_records(np.flatnonzero(folds == fold)),
            fit_settings(predictions.select_records(np.flatnonzero(folds != fold)), stackers, decoding),
        )
        for fold in np.unique(folds)
    ]


@dataclass(frozen=True)
class EvaluatedCandidates:
    """Candidates of all records with the truth.

    Attributes:
        candidates: one list per record.
        gold: gold spans of each record.

    Examples:
        >>> evaluated = evaluate(cross_fit(predictions), "score")
        >>> len(evaluated.entities()), len(evaluated.wrong()), round(evaluated.f1(), 3)
        (78, 22, 0.772)
    """

    candidates: list[list[Candidate]]
    gold: list[tuple[Span, ...]]

    def entities(self) -> list[tuple[Candidate, bool]]:
        """Every entity of the result, and whether it is right."""
        return [
            (candidate, Span(candidate.start, candidate.end, candidate.label) in known)
            for row, known in self._rows()
            for candidate in select_entities(row)
        ]

    def wrong(self) -> list[Candidate]:
        """The entities of the result that are wrong."""
        return [candidate for candidate, is_right in self.entities() if not is_right]

    def rejected(self) -> list[tuple[Candidate, bool]]:
        """Every candidate that is no entity of the result, and whether gold has an entity there."""
        return [
            (candidate, (candidate.start, candidate.end) in {(span.start, span.end) for span in known})
            for row, known in self._rows()
            for candidate in row
            if not candidate.is_entity
        ]

    def routable(self) -> list[Candidate]:
        """Those that may be routed, see `routable`."""
        return routable(self.candidates)

    def unreachable(self) -> int:
        """Gold entities whose span is no candidate."""
        return sum((span.start, span.end) not in {(c.start, c.end) for c in row} for row, known in self._rows() for span in known)

    def f1(self) -> float:
        """Micro-averaged F1 of the entities of the result."""
        entities = self.entities()
        size = len(entities) + sum(len(set(gold)) for gold in self.gold)
        return 2 * sum(is_right for _, is_right in entities) / size if size else 0.0

    def _rows(self) -> list[tuple[list[Candidate], set[Span]]]:
        return [(row, set(known)) for row, known in zip(self.candidates, self.gold, strict=True)]


def routable(candidates: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """All candidates but those that lost their place to an overlapping entity."""
    return [candidate for row in candidates for candidate in row if candidate.kind is not None]


def evaluate(parts: Parts, strategy: str, uncertainty: str = "spanner") -> EvaluatedCandidates:
    """Decide every part with the settings that were fitted elsewhere, by this strategy and uncertainty.

    Args:
        parts: as `cross_fit` gives them.
        strategy: a key of `COMBINERS`.
        uncertainty: a key of `UNCERTAINTIES`.

    Examples:
        >>> evaluate(cross_fit(predictions), "pool", "entropy").unreachable()
        0
    """
    candidates: list[list[Candidate]] = []
    gold: list[tuple[Span, ...]] = []
    for part, settings in parts:
        candidates += decide_predictions(part, replace(settings, strategy=strategy, uncertainty=uncertainty))
        gold += [record.entities for record in part.records]
    return EvaluatedCandidates(candidates, gold)
