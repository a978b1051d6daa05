"""What a strategy decided about labelled records, span by span with the truth beside it, without ever judging by weights that
saw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hybridner.data import fold_numbers
from hybridner.ensemble import (
    Candidate,
    Fitted,
    Predictions,
    decide,
    fit,
    fit_stacker,
    select_entities,
)
from hybridner.ensemble.calibration import fit_temperature
from hybridner.spans import Span

#: Folds that weights are cross-fitted over when the predictions have none of their own.
_FOLDS, _SEED = 5, 42


@dataclass(frozen=True)
class Calibrated:
    """Temperature and weights, fitted together: weights see tempered scores."""

    temperature: float
    fitted: Fitted


def fit_all(predictions: Predictions, stackers: Sequence[str] = (), decoding: str = "flat") -> Calibrated:
    """Fit the temperature, all weights and the named stackers.

    Raises:
        ModelError: see `fit_stacker`.
    """
    temperature = fit_temperature(predictions.ballot.logits, predictions.gold)
    tempered = replace(predictions, ballot=predictions.ballot.tempered(temperature))
    fitted = fit(tempered, decoding)
    return Calibrated(temperature, replace(fitted, stackers={kind: fit_stacker(kind, tempered) for kind in stackers}))


def cross_fitted(
    predictions: Predictions, stackers: Sequence[str] = (), decoding: str = "flat"
) -> list[tuple[Predictions, Calibrated]]:
    """The predictions in folds, each with what was fitted on all the others: figures on them are honest.

    The folds are those of the predictions, or new ones where these have none.
    """
    folds = predictions.folds
    if len(np.unique(folds)) < 2:
        folds = np.array(fold_numbers(predictions.records, _FOLDS, _SEED))
    return [
        (
            predictions.of_rows(np.flatnonzero(folds == fold)),
            fit_all(predictions.of_rows(np.flatnonzero(folds != fold)), stackers, decoding),
        )
        for fold in np.unique(folds)
    ]


def decided(part: Predictions, known: Calibrated, strategy: str, uncertainty: str, decoding: str) -> list[list[Candidate]]:
    """The candidates of each record, decided."""
    return decide(
        part.ballot.tempered(known.temperature),
        len(part),
        part.labels,
        part.members,
        strategy=strategy,
        decoding=decoding,
        fitted=known.fitted,
        uncertainty=uncertainty,
    )


@dataclass(frozen=True)
class Judged:
    """Candidates of all records with the truth.

    Attributes:
        candidates: one list per record.
        gold: gold spans of each record.
    """

    candidates: list[list[Candidate]]
    gold: list[tuple[Span, ...]]

    def chosen(self) -> list[tuple[Candidate, bool]]:
        """Every entity of the result, and whether it is right."""
        return [
            (candidate, Span(candidate.start, candidate.end, candidate.label) in known)
            for row, known in self._rows()
            for candidate in select_entities(row)
        ]

    def left(self) -> list[tuple[Candidate, bool]]:
        """Every candidate that is no entity of the result, and whether gold has an entity there that the result lacks."""
        found = []
        for row, known in self._rows():
            spans = {(span.start, span.end) for span in known}
            found += [(candidate, (candidate.start, candidate.end) in spans) for candidate in row if not candidate.is_entity]
        return found

    def unreachable(self) -> int:
        """Gold entities whose span nobody proposed or nearly did."""
        return sum((span.start, span.end) not in {(c.start, c.end) for c in row} for row, known in self._rows() for span in known)

    def _rows(self) -> list[tuple[list[Candidate], set[Span]]]:
        return [(row, set(known)) for row, known in zip(self.candidates, self.gold, strict=True)]


def judge(
    parts: Sequence[tuple[Predictions, Calibrated]], strategy: str, uncertainty: str = "spanner", decoding: str = "flat"
) -> Judged:
    """Decide every part with what was fitted elsewhere."""
    candidates: list[list[Candidate]] = []
    gold: list[tuple[Span, ...]] = []
    for part, known in parts:
        candidates += decided(part, known, strategy, uncertainty, decoding)
        gold += [record.entities for record in part.records]
    return Judged(candidates, gold)
