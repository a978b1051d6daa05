"""τ for a target, and the curve that shows what each τ would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hybridner.calibration.judged import Judged
from hybridner.ensemble.thresholds import conformal, conformal_by_label, for_count
from hybridner.errors import ModelError
from hybridner.llm import simulate
from hybridner.llm.routing import kind_of
from hybridner.spans import NON_ENTITY, LabelSet

#: τ at which the curve is drawn and among which the best expected F1 is looked for.
GRID = tuple(step / 50 for step in range(51))


@dataclass(frozen=True)
class Target:
    """What τ is chosen for; exactly one of these is given.

    Attributes:
        share: routed spans (entities, lost proposals and near misses together) for each entity found, such as 0.2.
        calls: routed spans in 1,000 texts.
        accuracy: the best expected F1 with a verifier that is right so often.
        catch: the share of wrong entities that are to be routed, promised by conformal prediction.
        by_label: with `catch`, a τ of its own for each label with enough errors.
    """

    share: float | None = None
    calls: int | None = None
    accuracy: float | None = None
    catch: float | None = None
    by_label: bool = False

    def __post_init__(self) -> None:
        given = [name for name in ("share", "calls", "accuracy", "catch") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ModelError(
                f"give one target for the threshold: share, calls, accuracy or catch; got {', '.join(given) or 'none'}"
            )
        for name in ("accuracy", "catch"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1 + (name == "accuracy") * 1e-12:
                raise ModelError(f"the target {name} must lie between 0 and 1, not {value!r}")
        if (self.share or 0) < 0 or (self.calls or 0) < 0:
            raise ModelError("a share or a number of calls cannot be negative")
        if self.by_label and self.catch is None:
            raise ModelError("thresholds by label go with the target catch")


def choose_threshold(judged: Judged, target: Target, labels: LabelSet, decoding: str) -> tuple[float, dict[str, float]]:
    """τ for the target, and τ of single labels where asked for."""
    if target.share is not None:
        return for_count(_routable(judged), round(target.share * len(judged.chosen()))), {}
    if target.calls is not None:
        return for_count(_routable(judged), round(target.calls * len(judged.gold) / 1000)), {}
    if target.accuracy is not None:
        points = simulated(judged, target.accuracy, labels, decoding)
        best = max(point["f1"] for point in points)
        # Of equally good ones the highest: it asks least.
        return max(point["threshold"] for point in points if point["f1"] >= best - 1e-12), {}
    assert target.catch is not None
    wrong = [candidate for candidate, right in judged.chosen() if not right]
    threshold = conformal([candidate.uncertainty for candidate in wrong], 1 - target.catch)
    if not target.by_label:
        return threshold, {}
    errors: dict[str, list[float]] = {}
    for candidate in wrong:
        errors.setdefault(candidate.label, []).append(candidate.uncertainty)
    return threshold, conformal_by_label(errors, 1 - target.catch)


def simulated(judged: Judged, accuracy: float, labels: LabelSet, decoding: str) -> list[dict[str, float]]:
    """Expected F1 at each τ of `GRID` with a verifier of this accuracy, fused by Bayes. A simulation: no LLM is asked."""
    (curve,) = simulate(
        judged.candidates, judged.gold, labels, decoding=decoding, thresholds=GRID, accuracies=(accuracy,), fusion="bayes"
    )
    return [{"threshold": point.threshold, "share": point.share, "f1": point.f1} for point in curve.points]


def curve(judged: Judged) -> list[dict[str, float]]:
    """For each τ of `GRID`: `routed`, routed spans for each entity found; `caught`, share of the wrong entities that are routed;
    `residual`, share of wrong ones among the entities that are not routed."""
    chosen, routable = judged.chosen(), _routable(judged)
    wrong = sum(not right for _, right in chosen)
    points = []
    for threshold in GRID:
        kept = [right for candidate, right in chosen if candidate.uncertainty <= threshold]
        missed = sum(not right for right in kept)
        points.append(
            {
                "threshold": threshold,
                "routed": sum(value > threshold for value in routable) / max(len(chosen), 1),
                "caught": 1 - missed / wrong if wrong else 1.0,
                "residual": missed / len(kept) if kept else 0.0,
            }
        )
    return points


def _routable(judged: Judged) -> list[float]:
    return [candidate.uncertainty for row in judged.candidates for candidate in row if kind_of(candidate) is not None]


def summary(judged: Judged, threshold: float) -> dict[str, Any]:
    """What this τ does on the records it was chosen on."""
    chosen = judged.chosen()
    wrong = [candidate for candidate, right in chosen if not right]
    return {
        "threshold": threshold,
        "entities": len(chosen),
        "wrong": len(wrong),
        "routed_spans": sum(value > threshold for value in _routable(judged)),
        "routed_entities": sum(candidate.uncertainty > threshold for candidate, _ in chosen),
        "caught": sum(candidate.uncertainty > threshold for candidate in wrong) / len(wrong) if wrong else 1.0,
        "unreachable_gold": judged.unreachable(),
        "outside": sum(candidate.label == NON_ENTITY for row in judged.candidates for candidate in row),
    }
