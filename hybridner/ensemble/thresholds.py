"""When a span is doubtful: the one place that compares an uncertainty with a threshold τ.

Everything that marks entities for review or sends spans to an LLM asks a `Threshold`; a number stands for a `FixedThreshold`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from hybridner.ensemble.candidates import KINDS, Candidate, Kind
from hybridner.errors import ModelError


@runtime_checkable
class Threshold(Protocol):
    """Tells which spans are doubtful.

    Examples:
        >>> class Half:
        ...     def exceeded(self, label, uncertainty):
        ...         return uncertainty > 0.5
        ...     def value(self, label=""):
        ...         return 0.5
        ...     def update(self, label, uncertainty):
        ...         pass
        >>> isinstance(Half(), Threshold), pipe(text, threshold=Half())[0]["needs_review"]
        (True, False)
    """

    def exceeded(self, label: str, uncertainty: float) -> bool:
        """Whether a span with this label is doubtful. Asking changes nothing."""

    def value(self, label: str = "") -> float:
        """τ of a label as it stands now; without a label, that of labels without one of their own."""

    def update(self, label: str, uncertainty: float) -> None:
        """Move on past a span of the stream; a threshold that is fixed stays where it is."""


@dataclass(frozen=True)
class FixedThreshold:
    """One τ for all spans (section 2.4.4), or some labels with a τ of their own.

    Attributes:
        default: τ in [0, 1]; 1 doubts nothing.
        by_label: τ of single labels, in place of `default`.

    Raises:
        ModelError: a τ that is not a number from 0 to 1.

    Examples:
        >>> threshold = FixedThreshold(0.3, {"State": 0.5})
        >>> threshold.exceeded("State", 0.4), threshold.exceeded("Place", 0.4)
        (False, True)
    """

    default: float
    by_label: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.by_label, Mapping):
            raise ModelError(f"label_thresholds must hold a threshold for each label, not {self.by_label!r}")
        for name, value in (("threshold", self.default), *((f"threshold of {k!r}", v) for k, v in self.by_label.items())):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
                raise ModelError(f"{name} must be a number from 0 to 1, not {value!r}")

    def exceeded(self, label: str, uncertainty: float) -> bool:
        return uncertainty > self.value(label)

    def value(self, label: str = "") -> float:
        return self.by_label.get(label, self.default)

    def update(self, label: str, uncertainty: float) -> None:
        """Nothing: it is fixed."""

    def for_labels(self, labels: Collection[str]) -> FixedThreshold:
        """Without what it says about other labels."""
        return FixedThreshold(self.default, {label: value for label, value in self.by_label.items() if label in labels})

    def to_dict(self) -> dict[str, Any]:
        """The fields of a composite's configuration that hold it."""
        return {"threshold": self.default, "label_thresholds": dict(self.by_label) or None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FixedThreshold:
        """From what `to_dict` gave."""
        by_label = data.get("label_thresholds")
        return cls(data["threshold"], {} if by_label is None else by_label)


def as_threshold(value: Threshold | float) -> Threshold:
    """The threshold itself, or the fixed one that a number stands for.

    Args:
        value: a threshold, or τ.

    Raises:
        ModelError: neither a threshold nor a number from 0 to 1.

    Examples:
        >>> as_threshold(0.3).value("State")
        0.3
    """
    return value if isinstance(value, Threshold) else FixedThreshold(value)


def find_doubtful(candidates: Iterable[Candidate], threshold: Threshold, kinds: Collection[Kind] = KINDS) -> list[bool]:
    """Whether each candidate is doubtful: u(s) > τ (section 2.4.4).

    The threshold moves on past those of these kinds.

    Args:
        candidates: of one text or of many, in the order of the stream.
        threshold: who is doubtful.
        kinds: which candidates may be, see `Kind`.

    Examples:
        >>> candidates = model.predict([text])[0].candidates
        >>> any(find_doubtful(candidates, FixedThreshold(1.0)))
        False
    """
    doubtful = []
    for candidate in candidates:
        doubtful.append(threshold.exceeded(candidate.label, candidate.uncertainty))
        if candidate.kind in kinds:
            threshold.update(candidate.label, candidate.uncertainty)
    return doubtful
