"""Calibrating a composite: everything that is fitted after training, in one go, with an honest report of what it brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hybridner.calibration.judged import Calibrated, Judged, cross_fitted, fit_all, judge
from hybridner.calibration.threshold import Target, choose_threshold, curve, summary
from hybridner.ensemble import STACKERS, UNCERTAINTIES, Predictions, available
from hybridner.ensemble.ballot import log_softmax
from hybridner.ensemble.calibration import detection, reliability
from hybridner.errors import ModelError
from hybridner.hybrid import CompositeModel

#: Lets the data choose.
BEST = "best"


@dataclass(frozen=True)
class Choices:
    """What calibration decides.

    Attributes:
        strategy: a key of `COMBINERS`, "best" for the one with the highest cross-fitted F1, or None to leave it.
        uncertainty: a key of `UNCERTAINTIES`, "best" for the one that finds wrong entities best (AUROC), or None to leave it.
        target: what τ is chosen for, or None to leave it.
        stackers: which of `STACKERS` to fit as well.
    """

    strategy: str | None = None
    uncertainty: str | None = None
    target: Target | None = None
    stackers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value, known in (
            ("strategy", self.strategy, None),
            ("uncertainty", self.uncertainty, UNCERTAINTIES),
            *(("stacker", kind, STACKERS) for kind in self.stackers),
        ):
            if known is not None and value not in (None, BEST, *known):
                raise ModelError(f"{name} must be one of {', '.join(known)}; got {value!r}")


def calibrate(model: CompositeModel, predictions: Predictions, choices: Choices) -> dict[str, Any]:
    """Fit temperature, weights and stackers on predictions and put them into the composite's configuration; choose strategy,
    uncertainty and τ where asked to.

    All figures of the report, and everything chosen by them, are cross-fitted: what judges a sentence was fitted on other folds.
    What goes into the composite is fitted on all.

    Args:
        model: changed in place; save it afterwards.
        predictions: out of fold, or of dev sentences no member was trained on, by members of the same names and labels.

    Returns:
        the report, as JSON can hold it: `strategies`, `uncertainties`, `temperature`, `reliability` before and after, `curve`,
            `threshold`.

    Raises:
        ModelError: predictions of other members or labels; a strategy that is not there; a stacker whose library is missing.
    """
    config = model.config
    if predictions.labels != config.labels.with_outside or predictions.members != model.member_names:
        raise ModelError(
            f"these are predictions of {', '.join(predictions.members)} over {len(predictions.labels) - 1} types, the "
            f"composite has {', '.join(model.member_names)} over {len(config.labels)}"
        )
    parts = cross_fitted(predictions, choices.stackers, config.decoding)
    whole = fit_all(predictions, choices.stackers, config.decoding)
    names = available(whole.fitted)
    strategies = {name: _f1(judge(parts, name, decoding=config.decoding)) for name in names}
    strategy = choices.strategy or config.strategy
    if strategy == BEST:
        strategy = max(strategies, key=lambda name: strategies[name])
    elif strategy not in names:
        raise ModelError(f"strategy must be one of {', '.join(names)}; got {strategy!r}")
    uncertainties = {name: _detection(judge(parts, strategy, name, config.decoding)) for name in UNCERTAINTIES}
    uncertainty = choices.uncertainty or config.uncertainty
    if uncertainty == BEST:
        uncertainty = max(uncertainties, key=lambda name: np.nan_to_num(uncertainties[name]["wrong"]["auroc"]))
    judged = judge(parts, strategy, uncertainty, config.decoding)
    threshold = config.review_threshold
    if choices.target is not None:
        threshold = choose_threshold(judged, choices.target, config.labels, config.decoding)
    model.stackers = {kind: stacker.stored() for kind, stacker in whole.fitted.stackers.items()}  # type: ignore[attr-defined]
    config.update(
        {
            "strategy": strategy,
            "uncertainty": uncertainty,
            "temperature": whole.temperature,
            "fitted": whole.fitted.to_dict(),
            "stackers": {kind: list(stacker.classes) for kind, stacker in model.stackers.items()} or None,
        }
    )
    config.review_threshold = threshold
    return {
        "records": len(predictions),
        "entities": sum(len(record.entities) for record in predictions.records),
        "kind": predictions.about.get("kind", "other sentences than the members were trained on"),
        "choices": asdict(choices),
        "strategy": strategy,
        "strategies": strategies,
        "uncertainty": uncertainty,
        "uncertainties": uncertainties,
        "temperature": whole.temperature,
        "reliability": _reliability(parts, judged),
        "curve": curve(judged),
        "threshold": summary(judged, threshold),
    }


def _f1(judged: Judged) -> float:
    found = judged.chosen()
    size = len(found) + sum(len(set(gold)) for gold in judged.gold)
    return 2 * sum(right for _, right in found) / size if size else 0.0


def _detection(judged: Judged) -> dict[str, dict[str, float]]:
    """How well u finds wrong entities among those found, and missed ones among the candidates left out."""
    return {
        name: asdict(detection([c.uncertainty for c, _ in found], [error for _, error in found]))
        for name, found in (
            ("wrong", [(candidate, not right) for candidate, right in judged.chosen()]),
            ("missed", judged.left()),
        )
    }


def _reliability(parts: Sequence[tuple[Predictions, Calibrated]], judged: Judged) -> dict[str, Any]:
    """SpanNER's confidence in its most probable label before and after the temperature, over all candidates; and the scores of
    the entities found."""
    confidences: dict[str, list[np.ndarray]] = {"spanner": [], "spanner, tempered": []}
    right = []
    for part, known in parts:
        scored = np.ptp(part.ballot.logits, axis=1) > 0  # SpanNER cannot judge spans longer than L
        logits, gold = part.ballot.logits[scored], part.gold[scored]
        for name, temperature in (("spanner", 1.0), ("spanner, tempered", known.temperature)):
            confidences[name].append(np.exp(log_softmax(logits / temperature).max(axis=1)))
        right.append(logits.argmax(axis=1) == gold)
    truth = np.concatenate(right)
    found = judged.chosen()
    return {
        **{name: reliability(np.concatenate(values), truth) for name, values in confidences.items()},
        "score of entities": reliability([candidate.score for candidate, _ in found], [correct for _, correct in found]),
    }
