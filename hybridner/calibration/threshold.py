"""τ for a target, and the curve that shows what each τ would do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from hybridner.calibration.conformal import conformal_threshold, conformal_thresholds
from hybridner.calibration.evaluated import EvaluatedCandidates
from hybridner.ensemble import Candidate, FixedThreshold, Threshold
from hybridner.ensemble.ballot import Floats
from hybridner.errors import ModelError
from hybridner.llm import simulate
from hybridner.spans import NON_ENTITY, LabelSet

#: τ at which the curve is drawn and among which the best expected F1 is looked for.
GRID = tuple(step / 50 for step in range(51))


@dataclass(frozen=True)
class Target:
    """What τ is chosen for on validation data (section 2.4.4); exactly one of share, calls, accuracy and error_recall is given.

    Attributes:
        share: routed spans (entities, lost proposals and near misses together) for each entity found, such as 0.2.
        calls: routed spans in 1,000 texts.
        accuracy: the best expected F1 with a verifier that is right so often.
        error_recall: the share of wrong entities that are to be routed, promised by conformal prediction.
        by_label: with `error_recall`, a τ of its own for each label with enough errors.
        relative_to: with `share` or `calls`, labels that have a τ of their own here keep one, at the same distance from that of
            the others in log-odds.

    Examples:
        >>> target = Target(share=0.2)      # one routed span for five entities found
        >>> target.count(evaluate(cross_fit(predictions), "score"))
        16
    """

    share: float | None = None
    calls: int | None = None
    accuracy: float | None = None
    error_recall: float | None = None
    by_label: bool = False
    relative_to: FixedThreshold | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("share", "calls", "accuracy", "error_recall") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ModelError(
                f"give one target for the threshold: share, calls, accuracy or error_recall; got {', '.join(given) or 'none'}"
            )
        if self.accuracy is not None and not 0 < self.accuracy <= 1:
            raise ModelError(f"the target accuracy must lie above 0 and be at most 1, not {self.accuracy!r}")
        if self.error_recall is not None and not 0 < self.error_recall < 1:
            raise ModelError(f"the target error_recall must lie between 0 and 1, not {self.error_recall!r}")
        if (self.share or 0) < 0 or (self.calls or 0) < 0:
            raise ModelError("a share or a number of calls cannot be negative")
        if self.by_label and self.error_recall is None:
            raise ModelError("thresholds by label go with the target error_recall")

    def count(self, evaluated: EvaluatedCandidates) -> int | None:
        """How many spans of these records are to be routed, where the target says so."""
        if self.share is not None:
            return round(self.share * len(evaluated.entities()))
        return None if self.calls is None else round(self.calls * len(evaluated.gold) / 1000)


def choose_threshold(evaluated: EvaluatedCandidates, target: Target, labels: LabelSet, decoding: str) -> FixedThreshold:
    """The threshold for the target."""
    count = target.count(evaluated)
    if count is not None:
        return shifted_to_count(target.relative_to or FixedThreshold(0.5), evaluated.routable(), count)
    if target.accuracy is not None:
        points = simulated(evaluated, target.accuracy, labels, decoding)
        best = max(point["f1"] for point in points)
        # Of equally good ones the highest: it asks least.
        return FixedThreshold(max(point["threshold"] for point in points if point["f1"] >= best - 1e-12))
    assert target.error_recall is not None
    alpha = 1 - target.error_recall
    errors: dict[str, list[float]] = {}
    for candidate in evaluated.wrong():
        errors.setdefault(candidate.label, []).append(candidate.uncertainty)
    default = conformal_threshold([value for values in errors.values() for value in values], alpha)
    return FixedThreshold(default, conformal_thresholds(errors, alpha) if target.by_label else {})


def threshold_for_count(uncertainty: Sequence[float] | Floats, count: int) -> float:
    """The smallest τ with at most `count` of the uncertainties above it."""
    values = np.sort(np.asarray(uncertainty, dtype=float))[::-1]
    return float(np.clip(values[count], 0.0, 1.0)) if count < len(values) else 0.0


def shifted_to_count(threshold: FixedThreshold, candidates: Sequence[Candidate], count: int) -> FixedThreshold:
    """The threshold moved until at most `count` of the candidates exceed it: for all labels alike, in log-odds; a τ of 0 or 1
    stays."""
    uncertainty = np.array([candidate.uncertainty for candidate in candidates])
    if not threshold.by_label:
        return FixedThreshold(threshold_for_count(uncertainty, count))
    labels = np.array([candidate.label if candidate.label in threshold.by_label else "" for candidate in candidates])
    own = np.array([threshold.value(label) for label in labels])
    with np.errstate(invalid="ignore"):
        distance = np.nan_to_num(logit(uncertainty) - logit(own), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    shift = np.sort(distance)[::-1][count] if count < len(distance) else -np.inf

    def moved(label: str, value: float) -> float:
        # Those that are to stay below are, however expit rounds.
        below = uncertainty[(labels == label) & (distance <= shift)]
        return float(max(expit(logit(value) + shift), below.max(initial=0.0))) if 0 < value < 1 else value

    by_label = {label: moved(label, value) for label, value in threshold.by_label.items()}
    return FixedThreshold(moved("", threshold.default), by_label)


def simulated(evaluated: EvaluatedCandidates, accuracy: float, labels: LabelSet, decoding: str) -> list[dict[str, float]]:
    """Expected F1 at each τ of `GRID` with a verifier of this accuracy, fused by Bayes. A simulation: no LLM is asked."""
    (curve,) = simulate(
        evaluated.candidates, evaluated.gold, labels, decoding=decoding, thresholds=GRID, accuracies=(accuracy,), fusion="bayes"
    )
    return [{"threshold": point.threshold, "share": point.share, "f1": point.f1} for point in curve.points]


def curve(evaluated: EvaluatedCandidates) -> list[dict[str, float]]:
    """For each τ of `GRID`: `routed`, routed spans for each entity found; `error_recall`, share of the wrong entities that are
    routed; `residual`, share of wrong ones among the entities that are not routed."""
    entities, routable = evaluated.entities(), evaluated.routable()
    wrong = len(evaluated.wrong())
    points = []
    for threshold in map(FixedThreshold, GRID):
        kept = [is_right for candidate, is_right in entities if not threshold.exceeded(candidate.label, candidate.uncertainty)]
        missed = kept.count(False)
        points.append(
            {
                "threshold": threshold.value(),
                "routed": count_doubtful(routable, threshold) / max(len(entities), 1),
                "error_recall": 1 - missed / wrong if wrong else 1.0,
                "residual": missed / len(kept) if kept else 0.0,
            }
        )
    return points


def count_doubtful(candidates: Iterable[Candidate], threshold: Threshold) -> int:
    return sum(threshold.exceeded(candidate.label, candidate.uncertainty) for candidate in candidates)


def summary(evaluated: EvaluatedCandidates, threshold: FixedThreshold) -> dict[str, Any]:
    """What this threshold does on the records it was chosen on."""
    entities = evaluated.entities()
    wrong = evaluated.wrong()
    return {
        "threshold": threshold.default,
        "by_label": dict(threshold.by_label),
        "entities": len(entities),
        "wrong": len(wrong),
        "routed_spans": count_doubtful(evaluated.routable(), threshold),
        "routed_entities": count_doubtful((candidate for candidate, _ in entities), threshold),
        "error_recall": count_doubtful(wrong, threshold) / len(wrong) if wrong else 1.0,
        "unreachable_gold": evaluated.unreachable(),
        "outside": sum(candidate.label == NON_ENTITY for row in evaluated.candidates for candidate in row),
    }
