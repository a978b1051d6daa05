"""The settings of the LLM stage, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from hybridner.ensemble import KINDS, FixedThreshold, Kind, Threshold, as_threshold
from hybridner.errors import LlmError
from hybridner.llm.confusion import ConfusionMatrix
from hybridner.llm.fusion import FUSIONS
from hybridner.llm.prices import Budget, as_budget
from hybridner.spans import RESOLVERS


@dataclass(frozen=True)
class LlmSettings:
    """How the stage works.

    Attributes:
        threshold: spans that exceed it are routed; a number stands for a fixed τ.
        kinds: which candidates may be routed: "entity", "lost" (outvoted proposals), "near_miss" (SpanNER alone nearly).
        fusion: "bayes" weighs the answer by how reliable the verifier is; "replace" takes it as it is (the paper).
        accuracy: stated accuracy of the verifier on routed spans, for "bayes" without a matrix.
        confusion: fitted confusion matrix, for "bayes".
        template: "en", "zh" or the path of a prompt template.
        shortest, longest: characters of context shown with a span.
        spans_per_call: how many spans of one piece of text share a call.
        examples: how many labelled examples are shown for each span, where there are any to choose from.
        budget: upper limits; the fields of a `Budget` as a mapping will do.
        time_limit: seconds that one call of the stage may take in all, None for no limit.
        on_llm_error: "keep" the local label, or "raise" when any question failed.
        decoding: "flat" or "nested", as in the ensemble.

    Raises:
        LlmError: a value outside its range.
    """

    threshold: Threshold = field(default_factory=lambda: FixedThreshold(0.3))
    kinds: tuple[Kind, ...] = KINDS
    fusion: str = "bayes"
    accuracy: float = 0.8
    confusion: ConfusionMatrix | None = None
    template: str | Path = "en"
    shortest: int = 40
    longest: int = 400
    spans_per_call: int = 1
    examples: int = 4
    budget: Budget = field(default_factory=Budget)
    time_limit: float | None = 60.0
    on_llm_error: Literal["keep", "raise"] = "keep"
    decoding: str = "flat"

    def __post_init__(self) -> None:
        object.__setattr__(self, "budget", as_budget(self.budget))
        object.__setattr__(self, "threshold", as_threshold(self.threshold))
        choices = {
            "fusion": (self.fusion, tuple(FUSIONS)),
            "on_llm_error": (self.on_llm_error, ("keep", "raise")),
            "decoding": (self.decoding, tuple(RESOLVERS)),
            **{f"kinds[{number}]": (kind, get_args(Kind)) for number, kind in enumerate(self.kinds)},
        }
        for name, (value, allowed) in choices.items():
            if value not in allowed:
                raise LlmError(f"`{name}` must be one of {', '.join(allowed)}, not {value!r}")
        for name, number, low, high in (
            ("accuracy", self.accuracy, 0.0, 1.0),
            ("spans_per_call", self.spans_per_call, 1, 100),
            ("examples", self.examples, 0, 100),
            ("shortest", self.shortest, 0, self.longest),
            ("longest", self.longest, 1, 100_000),
        ):
            if not low <= number <= high:
                raise LlmError(f"`{name}` must lie between {low} and {high}, not {number!r}")
        if self.time_limit is not None and not self.time_limit > 0:
            raise LlmError(f"`time_limit` must be a positive number of seconds or None, not {self.time_limit!r}")
