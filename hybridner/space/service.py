"""The model behind the page: reads texts, plans and asks the LLM. Holds nothing about visitors."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hybridner.ensemble import UNCERTAINTIES, FixedThreshold, Threshold, available_strategies
from hybridner.hybrid.configuration_hybrid import check_choice
from hybridner.llm import LlmReport, LlmSettings, LlmStage, OpenAIVerifier, Plan, Price, VerifiedCandidate, load_prices
from hybridner.llm.prices import Budget
from hybridner.pipeline import HybridNerPipeline
from hybridner.space.limits import LimitError, Limits, check_endpoint, check_text
from hybridner.space.reading import Reading, local_reading
from hybridner.spans import RESOLVERS

#: Windows per forward pass, and texts of a file read between two reports of progress.
_BATCH_SIZE, _TEXTS_AT_ONCE = 16, 16
#: The model whose price is shown until the visitor names one.
DEFAULT_LLM = "deepseek-flash"
#: Stands in for a missing key, so that the server's own OPENAI_API_KEY is never sent to an address a visitor chose.
_NO_KEY = "none"


@dataclass(frozen=True)
class Choice:
    """How to read; what is empty is as the model has it."""

    strategy: str = ""
    decoding: str = ""
    uncertainty: str = ""


@dataclass(frozen=True)
class LlmChoice:
    """The LLM a visitor wants asked. The key lives as long as one request.

    Attributes:
        extra: further fields of each question as a JSON object, such as those that switch off thinking.
    """

    endpoint: str
    model: str
    key: str = field(default="", repr=False)
    extra: str = ""

    @property
    def extra_body(self) -> dict[str, Any] | None:
        """Raises LimitError when `extra` is no JSON object."""
        if not self.extra.strip():
            return None
        try:
            fields = json.loads(self.extra)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise LimitError("bad_extra")
        return fields


@dataclass(frozen=True)
class LlmOutcome:
    """What came of asking.

    Attributes:
        reading: with the answers worked in; as before where there were none.
        report: cost and latency.
        failed: routed spans without an answer, and why; texts of the errors hold no key.
        changed: entities that are new, gone or of another type.
    """

    reading: Reading
    report: LlmReport
    failed: int
    reasons: tuple[str, ...]
    changed: int


class Service:
    """One model for all visitors.

    Args:
        pipe: the model.
        limits: what a visitor may ask for.
        hosts: LLM servers that may be asked, None for all; see `allowed_hosts`.
    """

    def __init__(self, pipe: HybridNerPipeline, limits: Limits | None = None, hosts: Collection[str] | None = None) -> None:
        self.pipe = pipe
        self.limits = limits or Limits()
        self.hosts = hosts
        self.config = pipe.model.config
        self.labels = self.config.labels
        self.members = pipe.model.member_names
        self.strategies = available_strategies(pipe.model.combiner_weights)
        self._prices: dict[str, Price] = load_prices()

    def threshold(self, value: float) -> Threshold:
        """The model's own threshold where the slider stands as the page opened it, which may differ by label; else a fixed one.

        Raises:
            ModelError: no number from 0 to 1.
        """
        return self.config.review_threshold if value == self.slider_start else FixedThreshold(value)

    @property
    def slider_start(self) -> float:
        """The model's τ as the slider of the page shows it."""
        return round(self.config.review_threshold.value(), 2)

    def read(self, text: str, choice: Choice | None = None) -> Reading:
        """One forward pass over a text.

        Raises:
            LimitError: a blank or too long text.
            ModelError: an unknown choice, or a strategy that this model was not fitted for.
        """
        (reading,) = self._read([check_text(text, self.limits)], choice or Choice())
        return reading

    def read_many(self, texts: Sequence[str], choice: Choice | None = None) -> Iterator[Reading]:
        """The texts of a file, some at a time."""
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            yield from self._read(texts[start : start + _TEXTS_AT_ONCE], choice or Choice())

    def _read(self, texts: Sequence[str], choice: Choice) -> list[Reading]:
        strategy, decoding = choice.strategy or self.config.strategy, choice.decoding or self.config.decoding
        uncertainty = choice.uncertainty or self.config.uncertainty
        check_choice("strategy", strategy, self.strategies)
        check_choice("decoding", decoding, RESOLVERS)
        check_choice("uncertainty", uncertainty, UNCERTAINTIES)
        found = self.pipe.model.predict(
            texts, batch_size=_BATCH_SIZE, strategy=strategy, decoding=decoding, uncertainty=uncertainty
        )
        return [local_reading(prediction.text, list(prediction.candidates), decoding) for prediction in found]

    def plan(self, reading: Reading, threshold: Threshold, model: str = "") -> Plan:
        """What would be asked at this threshold and what it would cost. Asks nobody, and does not run the model."""
        verifier = OpenAIVerifier(model.strip() or DEFAULT_LLM, "http://localhost", _NO_KEY)
        stage = LlmStage(verifier, self.labels, self._settings(threshold, reading.decoding), prices=self._prices)
        return stage.plan([reading.text], [reading.local])

    def ask(self, reading: Reading, threshold: Threshold, choice: LlmChoice) -> LlmOutcome:
        """Ask the LLM about the doubtful spans; those that get no answer keep their local label.

        Raises:
            LimitError: no model's name, an endpoint that is none or may not be asked, or further fields that are no JSON object.
            LlmError: asking is not possible at all.
        """
        if not choice.model.strip() or not choice.endpoint.strip():
            raise LimitError("no_llm_model")
        verifier = OpenAIVerifier(
            choice.model.strip(),
            check_endpoint(choice.endpoint, self.hosts),
            choice.key.strip() or _NO_KEY,
            timeout=self.limits.llm_seconds / 2,
            max_retries=1,
            token_limit=self.limits.llm_tokens,
            extra_body=choice.extra_body,
        )
        settings = self._settings(threshold, reading.decoding)
        with LlmStage(verifier, self.labels, settings, prices=self._prices) as stage:
            (items,) = stage.run([reading.text], [reading.local])
            report = stage.report()
        errors = [item.provenance.llm_error for item in items if item.provenance.status in ("failed", "unparsed")]
        reasons = tuple(dict.fromkeys(error for error in errors if error))
        return LlmOutcome(
            replace(reading, items=tuple(items), asked=True), report, len(errors), reasons, _changed(reading, items)
        )

    def _settings(self, threshold: Threshold, decoding: str) -> LlmSettings:
        budget = Budget(calls=self.limits.llm_calls)
        return LlmSettings(threshold=threshold, decoding=decoding, budget=budget, time_limit=self.limits.llm_seconds)


def _changed(reading: Reading, items: Sequence[VerifiedCandidate]) -> int:
    before = {(c.start, c.end, c.label) for c in reading.local if c.is_entity}
    after = {(i.candidate.start, i.candidate.end, i.candidate.label) for i in items if i.candidate.is_entity}
    return len({span[:2] for span in before ^ after})
