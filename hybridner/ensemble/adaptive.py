"""τ that follows a stream of spans, so that the share of doubtful ones keeps to a budget whatever the stream does.

A constant-step stochastic approximation of a quantile (Robbins and Monro, 1951; with a constant step for streams that change, as
in adaptive conformal inference, Gibbs and Candès, 2021): after each span the level rises by step · (1 - budget) when the span was
doubtful and falls by step · budget when it was not. The level is bounded, so for every stream, however contrived, |doubtful -
budget · n| stays below a number that does not depend on n; see `AdaptiveThreshold.slack`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hybridner.errors import ModelError

#: Log-odds of u are cut off here: spans with u below 0.0009 are all equally certain.
_CERTAIN = 7.0


class AdaptiveThreshold:
    """τ for each label of one domain, kept to a budget.

    A span with label l is doubtful when ln u / (1 - u) > level + offset(l). The level follows the stream, the same for all
    labels; the offsets stay, and say for which labels the same u means more errors.

    Args:
        budget: share of the spans that may be doubtful, between 0 and 1.
        start: τ before the first span, such as a model's `config.threshold`.
        by_label: τ of single labels before the first span, such as a model's `config.label_thresholds`; their distance from
        `start` in
            log-odds is their offset.
        step: how fast the level moves, in log-odds; about 1 / step spans pass before a change of the stream is followed.

    Raises:
        ModelError: a value outside its range.
    """

    def __init__(
        self, budget: float, *, start: float = 0.5, by_label: Mapping[str, float] | None = None, step: float = 0.1
    ) -> None:
        if not 0 < budget < 1:
            raise ModelError(f"budget must lie between 0 and 1, not {budget!r}")
        if not 0 < step <= 1:
            raise ModelError(f"step must lie above 0 and be at most 1, not {step!r}")
        self.budget = budget
        self.step = step
        self.level = log_odds(start)
        self.offsets = {label: log_odds(threshold) - self.level for label, threshold in (by_label or {}).items()}
        self.seen = 0
        self.doubtful = 0
        self._domains: dict[str, AdaptiveThreshold] = {}

    def judge(self, label: str, uncertainty: float) -> bool:
        """Whether the next span of the stream is doubtful; the threshold moves on."""
        doubtful = log_odds(uncertainty) > self.level + self.offsets.get(label, 0.0)
        self.level += self.step * (doubtful - self.budget)
        self.seen += 1
        self.doubtful += doubtful
        return doubtful

    def threshold(self, label: str = "") -> float:
        """τ of a label as it stands now."""
        return 1.0 / (1.0 + math.exp(-(self.level + self.offsets.get(label, 0.0))))

    @property
    def share(self) -> float:
        """Share of the spans so far that were doubtful."""
        return self.doubtful / self.seen if self.seen else 0.0

    @property
    def slack(self) -> float:
        """By how many spans at most the doubtful ones ever exceed or fall short of budget · seen."""
        spread = max(map(abs, self.offsets.values()), default=0.0)
        return (2 * (_CERTAIN + spread) + self.step) / self.step

    def of(self, domain: str) -> AdaptiveThreshold:
        """The threshold of one domain, with the same budget; on first use it starts from where this one stands."""
        if domain not in self._domains:
            self._domains[domain] = AdaptiveThreshold(self.budget, start=self.threshold(), step=self.step)
            self._domains[domain].offsets = self.offsets
        return self._domains[domain]

    def copy(self) -> AdaptiveThreshold:
        return self.from_dict(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it, to go on with another day."""
        state: dict[str, Any] = {name: getattr(self, name) for name in ("budget", "step", "offsets", "level", "seen", "doubtful")}
        return {**state, "domains": {name: threshold.to_dict() for name, threshold in self._domains.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AdaptiveThreshold:
        """From what `to_dict` gave."""
        threshold = cls(data["budget"], step=data["step"])
        for name in ("offsets", "level", "seen", "doubtful"):
            setattr(threshold, name, data[name])
        threshold._domains = {name: cls.from_dict(part) for name, part in data["domains"].items()}
        return threshold


def log_odds(uncertainty: float) -> float:
    """ln u / (1 - u), cut off at ±7.

    Raises:
        ModelError: u is not in [0, 1].
    """
    if not 0 <= uncertainty <= 1:
        raise ModelError(f"an uncertainty or threshold lies between 0 and 1, not {uncertainty!r}")
    if uncertainty in (0.0, 1.0):
        return math.copysign(_CERTAIN, uncertainty - 0.5)
    return max(-_CERTAIN, min(_CERTAIN, math.log(uncertainty) - math.log1p(-uncertainty)))
