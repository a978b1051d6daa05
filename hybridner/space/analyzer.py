"""The model behind the page: analyzes texts, plans what an LLM would be sent and sends it. Holds nothing about visitors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from hybridner.ensemble import UNCERTAINTIES, FixedThreshold, Threshold, available_strategies
from hybridner.hybrid.configuration_hybrid import check_choice
from hybridner.llm import LlmSettings, LlmStage, OpenAIVerifier, Plan, VerifiedCandidate, load_prices
from hybridner.llm.prices import Budget
from hybridner.pipeline import HybridNerPipeline
from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.errors import VisitorError
from hybridner.space.limits import Limits, check_text
from hybridner.space.llm_hosts import check_endpoint
from hybridner.space.llm_request import LlmOutcome, LlmRequest
from hybridner.spans import RESOLVERS

#: Windows per forward pass, and texts of a file analyzed between two reports of progress.
_BATCH_SIZE, _TEXTS_AT_ONCE = 16, 16
#: The model whose price is shown until the visitor names one.
DEFAULT_LLM = "deepseek-flash"
#: Stands in for a missing key, so that the server's own OPENAI_API_KEY is never sent to an address a visitor chose.
_NO_KEY = "none"


@dataclass(frozen=True)
class AnalysisOptions:
    """How to analyze; what is empty is as the model has it."""

    strategy: str = ""
    decoding: str = ""
    uncertainty: str = ""


class Analyzer:
    """One model for all visitors.

    Args:
        pipe: the model.
        limits: what a visitor may ask for.
        llm_hosts: LLM servers that may be used, None for all; see `allowed_hosts`.
    """

    def __init__(self, pipe: HybridNerPipeline, limits: Limits | None = None, llm_hosts: Collection[str] | None = None) -> None:
        self.pipe = pipe
        self.limits = limits or Limits()
        self.llm_hosts = llm_hosts
        self.config = pipe.model.config
        self.labels = self.config.labels
        self.members = pipe.model.voter_names
        self.strategies = available_strategies(pipe.model.combiner_weights)
        self._prices = load_prices()

    @property
    def own_threshold(self) -> Threshold:
        """The model's: one for all types, or one for each where calibration chose that."""
        own: Threshold = self.config.review_threshold
        return own

    @property
    def slider_start(self) -> float:
        """The model's τ as the slider of the page shows it."""
        return round(self.own_threshold.value(), 2)

    def check_threshold(self, value: object) -> Threshold:
        """One threshold for all types; the model's own, unrounded, where the slider still stands at its start.

        Raises:
            VisitorError: it is no number from 0 to 1.
        """
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise VisitorError("bad_threshold")
        return FixedThreshold(self.own_threshold.value() if value == self.slider_start else value)

    def analyze(self, text: object, options: AnalysisOptions | None = None) -> AnalyzedText:
        """One forward pass over a text.

        Raises:
            VisitorError: a blank or too long text.
            ModelError: an unknown option, or a strategy that this model was not fitted for.
        """
        (analyzed,) = self._analyze([check_text(text, self.limits)], options or AnalysisOptions())
        return analyzed

    def analyze_many(self, texts: Sequence[str], options: AnalysisOptions | None = None) -> Iterator[AnalyzedText]:
        """The texts of a file, some at a time."""
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            yield from self._analyze(texts[start : start + _TEXTS_AT_ONCE], options or AnalysisOptions())

    def _analyze(self, texts: Sequence[str], options: AnalysisOptions) -> list[AnalyzedText]:
        strategy, decoding = options.strategy or self.config.strategy, options.decoding or self.config.decoding
        uncertainty = options.uncertainty or self.config.uncertainty
        check_choice("strategy", strategy, self.strategies)
        check_choice("decoding", decoding, tuple(RESOLVERS))
        check_choice("uncertainty", uncertainty, tuple(UNCERTAINTIES))
        predictions = self.pipe.model.predict(
            texts, batch_size=_BATCH_SIZE, strategy=strategy, decoding=decoding, uncertainty=uncertainty
        )
        return [AnalyzedText.from_candidates(one.text, one.candidates, decoding) for one in predictions]

    def plan_llm(self, analyzed: AnalyzedText, threshold: Threshold, model: str = "") -> Plan:
        """What an LLM would be sent at this threshold and what it would cost. Sends nothing, and does not run the model."""
        verifier = OpenAIVerifier(model.strip() or DEFAULT_LLM, "http://localhost", _NO_KEY)
        stage = LlmStage(verifier, self.labels, self._settings(threshold, analyzed.decoding), prices=self._prices)
        return stage.plan([analyzed.text], [analyzed.local])

    def run_llm(self, analyzed: AnalyzedText, threshold: Threshold, request: LlmRequest) -> LlmOutcome:
        """Let the LLM decide about the doubtful spans; those that get no answer keep their local label.

        Raises:
            VisitorError: no model's name, an endpoint that is none or may not be used, or further fields that are no JSON object.
            LlmError: it is not possible at all.
        """
        if not request.model.strip() or not request.endpoint.strip():
            raise VisitorError("no_llm_model")
        verifier = OpenAIVerifier(
            request.model.strip(),
            check_endpoint(request.endpoint, self.llm_hosts),
            request.key.strip() or _NO_KEY,
            timeout=self.limits.llm_seconds / 2,
            max_retries=1,
            token_limit=self.limits.llm_tokens,
            extra_body=request.extra_body,
        )
        settings = self._settings(threshold, analyzed.decoding)
        with LlmStage(verifier, self.labels, settings, prices=self._prices) as stage:
            (final,) = stage.run([analyzed.text], [analyzed.local])
            report = stage.report()
        failed = [item.provenance for item in final if item.provenance.status in ("failed", "unparsed")]
        # The first of each kind comes last, and so it stays.
        reasons = {known.failure: known.llm_error for known in reversed(failed) if known.failure is not None}
        with_llm = replace(analyzed, final=tuple(final), has_llm=True)
        return LlmOutcome(with_llm, report, len(failed), reasons, _count_changed(analyzed, final))

    def _settings(self, threshold: Threshold, decoding: str) -> LlmSettings:
        budget = Budget(calls=self.limits.llm_calls)
        return LlmSettings(threshold=threshold, decoding=decoding, budget=budget, time_limit=self.limits.llm_seconds)


def _count_changed(analyzed: AnalyzedText, final: Sequence[VerifiedCandidate]) -> int:
    before = {(c.start, c.end, c.label) for c in analyzed.local if c.is_entity}
    after = {(i.candidate.start, i.candidate.end, i.candidate.label) for i in final if i.candidate.is_entity}
    return len({span[:2] for span in before ^ after})
