"""Calibrating a composite: everything that is fitted after training, in one go, with an honest report of what it brings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.special import softmax

from hybridner.calibration.errors import fit_error_model, with_error_models
from hybridner.calibration.evaluated import EvaluatedCandidates, Parts, cross_fit, evaluate, fit_settings
from hybridner.calibration.reliability import detection, reliability
from hybridner.calibration.threshold import Target, choose_threshold, curve, summary
from hybridner.ensemble import (
    STACKERS,
    UNCERTAINTIES,
    DecisionSettings,
    FixedThreshold,
    Predictions,
    SelectionTable,
    available_strategies,
)
from hybridner.errors import ModelError
from hybridner.gazetteer import add_cross_fitted, refit
from hybridner.hybrid import CompositeModel

#: Lets the data choose.
BEST = "best"


@dataclass(frozen=True)
class CalibrationConfig:
    """What calibration decides.

    Attributes:
        strategy: a key of `COMBINERS`, "best" for the one with the highest cross-fitted F1, or None to leave it.
        uncertainty: a key of `UNCERTAINTIES`, "best" for the one that finds wrong entities best (AUROC), or None to leave it.
        target: what τ is chosen for, or None to leave it.
        stackers: which of `STACKERS` to fit as well.

    Raises:
        ModelError: an unknown uncertainty or stacker. Which strategies there are shows when they are fitted.

    Examples:
        >>> CalibrationConfig(strategy="best", uncertainty="best", target=Target(share=0.2), stackers=("forest",)).strategy
        'best'
    """

    strategy: str | None = None
    uncertainty: str | None = None
    target: Target | None = None
    stackers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.uncertainty not in (None, BEST, *UNCERTAINTIES):
            raise ModelError(f"uncertainty must be one of {', '.join((BEST, *UNCERTAINTIES))}; got {self.uncertainty!r}")
        for kind in self.stackers:
            if kind not in STACKERS:
                raise ModelError(f"a stacker must be one of {', '.join(STACKERS)}; got {kind!r}")


def calibrate(model: CompositeModel, predictions: Predictions, choices: CalibrationConfig) -> dict[str, Any]:
    """Fit temperature, weights and stackers on predictions and put them into the composite's configuration; choose strategy,
    uncertainty and τ where asked to.

    All figures of the report, and everything chosen by them, are cross-fitted: what judges a sentence was fitted on other folds.
    What goes into the composite is fitted on all.

    Args:
        model: changed in place; save it afterwards.
        predictions: out of fold, or of dev sentences no member was trained on, by members of the same names and labels.
        choices: what to fit and to choose.

    Returns:
        the report, as JSON can hold it: `strategies`, `uncertainties`, `temperature`, `reliability` before and after, `curve`,
            `threshold`.

    Raises:
        ModelError: predictions of other members or labels; a strategy that is not there; a stacker whose library is missing.

    Examples:
        >>> from hybridner.hybrid import predict_records
        >>> entities = (Span(0, 3, "Adversary States"), Span(6, 9, "Offensive Systems"))
        >>> labelled = [Record(text + "。" * number, entities) for number in range(8)]
        >>> copy = AutoModel.from_pretrained(hybridner.bundled.BUNDLED_FOLDER)
        >>> report = calibrate(copy, predict_records(copy, labelled), CalibrationConfig(target=Target(share=0.2)))
        >>> "threshold" in report
        True
    """
    config = model.config
    predictions = _with_gazetteer(model, predictions)
    if predictions.labels != config.labels.with_outside or predictions.members != model.voter_names:
        raise ModelError(
            f"these are predictions of {', '.join(predictions.members)} over {len(predictions.labels) - 1} types, the "
            f"composite has {', '.join(model.voter_names)} over {len(config.labels)}"
        )
    parts = cross_fit(predictions, choices.stackers, config.decoding)
    fitted = fit_settings(predictions, choices.stackers, config.decoding)
    strategy, strategies = _choose_strategy(parts, choices.strategy or config.strategy, available_strategies(fitted.weights))
    parts = with_error_models(parts, strategy)
    fitted = replace(fitted, error_model=fit_error_model(parts, strategy))
    uncertainty, uncertainties = _choose_uncertainty(parts, strategy, choices.uncertainty or config.uncertainty)
    evaluated = evaluate(parts, strategy, uncertainty)
    threshold = config.review_threshold
    if choices.target is not None:
        threshold = choose_threshold(evaluated, choices.target, config.labels, config.decoding)
    entities = evaluated.entities()
    selection = SelectionTable.of(
        strategy, uncertainty, [candidate.uncertainty for candidate, _ in entities], [not is_right for _, is_right in entities]
    )
    _store(model, replace(fitted, strategy=strategy, uncertainty=uncertainty), threshold, selection)
    return {
        "records": len(predictions),
        "entities": sum(len(record.entities) for record in predictions.records),
        "kind": predictions.about.get("kind", "other sentences than the members were trained on"),
        "choices": asdict(choices),
        "strategy": strategy,
        "strategies": strategies,
        "uncertainty": uncertainty,
        "uncertainties": uncertainties,
        "temperature": fitted.temperature,
        "reliability": _reliability(parts, evaluated),
        "curve": curve(evaluated),
        "threshold": summary(evaluated, threshold),
    }


def _with_gazetteer(model: CompositeModel, predictions: Predictions) -> Predictions:
    """The predictions with the votes of the composite's gazetteer, in which no text has a part by terms of its own; a gazetteer
    of lists alone learns here how far to trust them."""
    if model.gazetteer is None or predictions.labels != model.config.labels.with_outside:
        return predictions
    if predictions.members == model.voter_names:
        members = range(len(model.member_names))
        predictions = replace(predictions, ballot=predictions.ballot.select_members(members), members=model.member_names)
    if predictions.members != model.member_names:
        return predictions
    voting = add_cross_fitted(predictions, model.gazetteer)
    if not model.gazetteer.reliability.hits:
        model.use_gazetteer(refit(model.gazetteer, predictions.records))
    return voting


def _choose_strategy(parts: Parts, wanted: str, names: tuple[str, ...]) -> tuple[str, dict[str, float]]:
    """The strategy that is wanted, and the F1 of each."""
    if wanted not in (BEST, *names):
        raise ModelError(f"strategy must be one of {', '.join(names)}; got {wanted!r}")
    f1 = {name: evaluate(parts, name).f1() for name in names}
    return (max(f1, key=f1.__getitem__) if wanted == BEST else wanted), f1


def _choose_uncertainty(parts: Parts, strategy: str, wanted: str) -> tuple[str, dict[str, Any]]:
    """The uncertainty that is wanted, and how well each finds errors."""
    found = {name: _detection(evaluate(parts, strategy, name)) for name in UNCERTAINTIES}
    best = max(found, key=lambda name: np.nan_to_num(found[name]["wrong"]["auroc"]))
    return (best if wanted == BEST else wanted), found


def _store(model: CompositeModel, settings: DecisionSettings, threshold: FixedThreshold, selection: SelectionTable) -> None:
    weights = settings.weights
    assert weights is not None
    model.stackers = {kind: stacker.to_stored() for kind, stacker in weights.stackers.items()}
    model.config.review_threshold = threshold
    model.config.update(
        {
            "strategy": settings.strategy,
            "uncertainty": settings.uncertainty,
            "temperature": settings.temperature,
            "combiner_weights": weights.to_dict(),
            "selection": selection.to_dict(),
            "error_model": settings.error_model and settings.error_model.to_dict(),
            "stackers": {kind: list(stacker.classes) for kind, stacker in model.stackers.items()} or None,
        }
    )


def _detection(evaluated: EvaluatedCandidates) -> dict[str, dict[str, float]]:
    """How well u finds wrong entities among those found, and missed ones among the candidates left out."""
    return {
        name: asdict(detection([candidate.uncertainty for candidate, _ in found], [is_error for _, is_error in found]))
        for name, found in (
            ("wrong", [(candidate, not is_right) for candidate, is_right in evaluated.entities()]),
            ("missed", evaluated.rejected()),
        )
    }


def _reliability(parts: Parts, evaluated: EvaluatedCandidates) -> dict[str, Any]:
    """SpanNER's confidence in its most probable label before and after the temperature, over all candidates; and the scores of
    the entities found."""
    confidences: dict[str, list[np.ndarray]] = {"spanner": [], "spanner, calibrated": []}
    right = []
    for part, settings in parts:
        scored = np.ptp(part.ballot.logits, axis=1) > 0  # SpanNER cannot score spans longer than L
        logits, gold = part.ballot.logits[scored], part.gold[scored]
        for name, temperature in (("spanner", 1.0), ("spanner, calibrated", settings.temperature)):
            confidences[name].append(softmax(logits / temperature, axis=1).max(axis=1))
        right.append(logits.argmax(axis=1) == gold)
    truth = np.concatenate(right)
    entities = evaluated.entities()
    return {
        **{name: reliability(np.concatenate(values), truth) for name, values in confidences.items()},
        "score of entities": reliability([candidate.score for candidate, _ in entities], [is_right for _, is_right in entities]),
    }
