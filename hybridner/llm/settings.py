"""The settings of the LLM stage, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from hybridner.ensemble import KINDS, FixedThreshold, Kind, Threshold, as_threshold
from hybridner.errors import HybridNerError, LlmError
from hybridner.llm.confusion import ConfusionMatrix
from hybridner.llm.fusion import FUSIONS
from hybridner.llm.member import MemberReliability
from hybridner.llm.prices import Budget
from hybridner.spans import RESOLVERS
from hybridner.validation import Integer, Number, Settings, one_of


def _as_threshold(value: Threshold | float) -> Threshold:
    try:
        return as_threshold(value)
    except HybridNerError as error:
        raise ValueError(error) from None


def _as_confusion(value: Any) -> Any:
    return ConfusionMatrix.from_dict(value) if isinstance(value, Mapping) else value


def _as_member(value: Any) -> Any:
    return MemberReliability.from_dict(value) if isinstance(value, Mapping) else value


class LlmSettings(Settings):
    """How the stage works.

    Attributes:
        stage: "verify" asks for the label of doubtful spans (the paper); "member" has whole sentences read, and the LLM votes
            like a member; "both" does the second and then the first where doubt is left.
        threshold: spans that exceed it are routed; a number stands for a fixed τ.
        kinds: which candidates may be routed: "entity", "lost" (outvoted proposals), "near_miss" (SpanNER alone nearly).
        routing: who comes first, and so is asked about under a budget: the most uncertain ("uncertainty"), or those whose answer
            can be expected to raise F1 most ("value"), given how reliable the verifier is.
        fusion: "bayes" weighs the answer by how reliable the verifier is; "replace" takes it as it is (the paper).
        accuracy: stated accuracy of the verifier on routed spans, for "bayes" without a matrix.
        confusion: fitted confusion matrix, for "bayes".
        member: fitted reliability as a member; without it the LLM's votes weigh as much as `accuracy` says, and what it alone
            proposes is not taken.
        min_gain: as a member, how many more decisions must be expected to be right for a piece of text to be worth a call.
        votes: by how many prompts a doubtful span is asked about; of 2, their agreement is the answer's confidence.
        template: "en", "zh" or the path of a prompt template.
        guidelines: file of annotation guidelines that every prompt shows, as `hybridner guidelines` writes it.
        min_context_chars: sentences that are shorter are shown with their neighbors.
        max_context_chars: sentences that are longer are cut around the span.
        spans_per_call: how many spans of one piece of text may share a call. What an answer about several does not clearly say
            is asked about each span by itself, and of an LLM that seldom says it clearly everything.
        examples_per_span: how many labeled examples are shown for each span, where there are any to choose from.
        budget: upper limits; the fields of a `Budget` as a mapping will do.
        time_limit: seconds that one call of the stage may take in all, None for no limit.
        on_llm_error: "keep" the local label, or "raise" when any question failed.
        decoding: "flat" or "nested", as in the ensemble.

    Raises:
        LlmError: an unknown field, or a value outside its range.

    Examples:
        >>> settings = LlmSettings(threshold=0.3, fusion="bayes", accuracy=0.9, budget={"calls": 100})
        >>> settings.budget.calls, settings.stage
        (100, 'verify')
    """

    error_class: ClassVar[type[HybridNerError]] = LlmError

    stage: Literal["verify", "member", "both"] = "verify"
    threshold: Annotated[Threshold, PlainValidator(_as_threshold)] = FixedThreshold(0.3)
    kinds: tuple[Kind, ...] = KINDS
    routing: Literal["uncertainty", "value"] = "uncertainty"
    fusion: Annotated[str, one_of(FUSIONS)] = "bayes"
    accuracy: Number = Field(default=0.8, ge=0.0, le=1.0)
    confusion: Annotated[ConfusionMatrix | None, BeforeValidator(_as_confusion)] = None
    member: Annotated[MemberReliability | None, BeforeValidator(_as_member)] = None
    min_gain: Number = Field(default=0.1, ge=0.0)
    votes: Integer = Field(default=1, ge=1, le=2)
    template: str | Path = "en"
    guidelines: str | Path | None = None
    min_context_chars: Integer = Field(default=40, ge=0)
    max_context_chars: Integer = Field(default=400, ge=1, le=100_000)
    spans_per_call: Integer = Field(default=8, ge=1, le=100)
    examples_per_span: Integer = Field(default=4, ge=0, le=100)
    budget: Budget = Budget()
    time_limit: Number | None = Field(default=60.0, gt=0.0)
    on_llm_error: Literal["keep", "raise"] = "keep"
    decoding: Annotated[str, one_of(RESOLVERS)] = "flat"

    @model_validator(mode="after")
    def _check_context(self) -> LlmSettings:
        if self.min_context_chars > self.max_context_chars:
            raise ValueError(
                f"min_context_chars: must not exceed max_context_chars ({self.max_context_chars}), got {self.min_context_chars}"
            )
        return self
