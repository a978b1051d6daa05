"""τ that follows a stream of spans, so that the share of doubtful ones keeps to a budget whatever the stream does.

A constant-step stochastic approximation of a quantile (Robbins and Monro, 1951; with a constant step for streams that change, as
in adaptive conformal inference, Gibbs and Candès, 2021): after each span the level rises by step · (1 - budget) when the span was
doubtful and falls by step · budget when it was not. The level is bounded, so for every stream, however contrived, |doubtful -
budget · n| stays below a number that does not depend on n; see `AdaptiveThreshold.max_deviation`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scipy.special import expit

from hybridner.ensemble.log_odds import log_odds
from hybridner.ensemble.stream import StreamWatch
from hybridner.ensemble.thresholds import FixedThreshold
from hybridner.errors import ModelError

#: Log-odds of u are cut off here: spans with u below 0.0009 are all equally certain.
_MAX_LOG_ODDS = 7.0


class AdaptiveThreshold:
    """τ for each label of one domain, kept to a budget.

    A span with label l is doubtful when ln u / (1 - u) > level + offset(l). The level follows the stream, the same for all
    labels; the offsets stay, and say for which labels the same u means more errors.

    Args:
        budget: share of the spans that may be doubtful, between 0 and 1.
        start: τ before the first span: a number, or a fixed threshold such as a model's `config.review_threshold`, of which
            labels with a τ of their own keep their distance from the others', in log-odds.
        step: how fast the level moves, in log-odds; about 1 / step spans pass before a change of the stream is followed.

    Attributes:
        total: how many spans it has moved past.
        doubtful: how many of them were doubtful.
        stream: looks at the texts' `ood_score`, where the model gives one: a budget that is kept hides that a stream has become
            one of other texts.

    Raises:
        ModelError: a value outside its range.

    Examples:
        >>> threshold = AdaptiveThreshold(budget=0.2, start=0.3)
        >>> for uncertainty in [0.1, 0.4, 0.05, 0.2, 0.02]:
        ...     threshold.update("State", uncertainty)
        >>> threshold.total, threshold.doubtful
        (5, 1)
        >>> pipe(text, threshold=threshold)[0]["needs_review"]
        False
    """

    def __init__(self, budget: float, *, start: FixedThreshold | float = 0.5, step: float = 0.1) -> None:
        if not 0 < budget < 1:
            raise ModelError(f"budget must lie between 0 and 1, not {budget!r}")
        if not 0 < step <= 1:
            raise ModelError(f"step must lie above 0 and be at most 1, not {step!r}")
        start = start if isinstance(start, FixedThreshold) else FixedThreshold(start)
        self.budget = budget
        self.step = step
        self.level = _logit(start.default)
        self.offsets = {label: _logit(value) - self.level for label, value in start.by_label.items()}
        self.total = 0
        self.doubtful = 0
        self.stream = StreamWatch()
        self._domains: dict[str, AdaptiveThreshold] = {}

    def exceeded(self, label: str, uncertainty: float) -> bool:
        """Whether a span with this label is doubtful as the threshold stands now.

        Args:
            label: of the span.
            uncertainty: u of the span, 0 to 1.
        """
        return _logit(uncertainty) > self._level(label)

    def update(self, label: str, uncertainty: float) -> None:
        """Move on past the next span of the stream.

        Args:
            label: of the span.
            uncertainty: u of the span, 0 to 1.
        """
        doubtful = self.exceeded(label, uncertainty)
        self.level += self.step * (doubtful - self.budget)
        self.total += 1
        self.doubtful += doubtful

    def value(self, label: str = "") -> float:
        """τ of a label as it stands now.

        Args:
            label: by default that of labels without an offset of their own.
        """
        return float(expit(self._level(label)))

    def _level(self, label: str) -> float:
        return self.level + self.offsets.get(label, 0.0)

    @property
    def doubtful_share(self) -> float:
        """Share of the spans so far that were doubtful."""
        return self.doubtful / self.total if self.total else 0.0

    @property
    def max_deviation(self) -> float:
        """By how many spans at most the doubtful ones ever exceed or fall short of budget · total."""
        spread = max(map(abs, self.offsets.values()), default=0.0)
        return (2 * (_MAX_LOG_ODDS + spread) + self.step) / self.step

    def for_domain(self, domain: str) -> AdaptiveThreshold:
        """The threshold of one domain, with the same budget; on first use it starts from where this one stands.

        Args:
            domain: any name.
        """
        if domain not in self._domains:
            self._domains[domain] = AdaptiveThreshold(self.budget, start=self.value(), step=self.step)
            self._domains[domain].offsets = self.offsets
        return self._domains[domain]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON can hold it, to go on with another day."""
        state: dict[str, Any] = {name: getattr(self, name) for name in _STORED}
        state["stream"] = self.stream.to_dict()
        return {**state, "domains": {name: threshold.to_dict() for name, threshold in self._domains.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AdaptiveThreshold:
        """From what `to_dict` gave.

        Args:
            data: as JSON holds it.

        Examples:
            >>> AdaptiveThreshold.from_dict(AdaptiveThreshold(0.2).to_dict()).value()
            0.5
        """
        threshold = cls(data["budget"], step=data["step"])
        for name in _STORED:
            setattr(threshold, name, data[name])
        threshold.stream = StreamWatch.from_dict(data.get("stream", {}))
        threshold._domains = {name: cls.from_dict(part) for name, part in data["domains"].items()}
        return threshold


_STORED = ("budget", "step", "offsets", "level", "total", "doubtful")


def _logit(probability: float) -> float:
    """ln p / (1 - p), within ±_MAX_LOG_ODDS.

    Raises:
        ModelError: p is not in [0, 1].
    """
    if not 0 <= probability <= 1:
        raise ModelError(f"an uncertainty or threshold lies between 0 and 1, not {probability!r}")
    log_p = math.log(probability) if probability else -math.inf
    log_q = math.log1p(-probability) if probability < 1 else -math.inf
    return float(log_odds(log_p, log_q, _MAX_LOG_ODDS))
