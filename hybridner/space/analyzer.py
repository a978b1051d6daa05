"""The model behind the page: analyzes texts, plans what an LLM would be sent and sends it. Holds nothing about visitors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from hybridner.ensemble import UNCERTAINTIES, FixedThreshold, Threshold, available_strategies
from hybridner.hybrid.configuration_hybrid import check_choice
from hybridner.llm import LlmSettings, LlmStage, OpenAIVerifier, Plan, Provenance, VerifiedCandidate, load_prices
from hybridner.llm.prices import Budget
from hybridner.pipeline import HybridNerPipeline
from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.errors import VisitorError
from hybridner.space.examples import card_body, examples_for
from hybridner.space.kept_answers import KeptAnswers, open_kept
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
        name: by which visitors choose it.
        card: its model card.
    """

    def __init__(
        self,
        pipe: HybridNerPipeline,
        limits: Limits | None = None,
        llm_hosts: Collection[str] | None = None,
        *,
        name: str = "hybridner",
        card: str = "",
    ) -> None:
        self.pipe = pipe
        self.limits = limits or Limits()
        self.llm_hosts = llm_hosts
        self.name = name
        self.card = card_body(card)
        self.config = pipe.model.config
        self.labels = self.config.labels
        self.members = pipe.model.voter_names
        self.strategies = available_strategies(pipe.model.combiner_weights)
        self.examples = examples_for(self.labels.domain, card)
        self._prices = load_prices()

    @property
    def own_threshold(self) -> Threshold:
        """The model's: one for all types, or one for each where calibration chose that."""
        own: Threshold = self.config.review_threshold
        return own

    @property
    def has_own_by_label(self) -> bool:
        """Whether its types have thresholds of their own."""
        return bool(self.config.review_threshold.by_label)

    def is_unfamiliar(self, analyzed: AnalyzedText) -> bool:
        """Whether a text is unlike those that the model knows, as far as it can tell."""
        return analyzed.ood_score is not None and analyzed.ood_score > self.config.ood_threshold

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
        settings = {"model": self.name, "strategy": strategy, "uncertainty": uncertainty}
        return [
            AnalyzedText.from_candidates(one.text, one.candidates, decoding, ood_score=one.ood_score, **settings)
            for one in predictions
        ]

    def plan_llm(self, analyzed: AnalyzedText, threshold: Threshold, model: str = "", kept: KeptAnswers | None = None) -> Plan:
        """What an LLM would be sent at this threshold and what it would cost. Sends nothing, and does not run the model.

        Answers that were paid for already count nothing.
        """
        name = model.strip() or DEFAULT_LLM
        with open_kept(kept, "replay") as cache:
            verifier = self._verifier(LlmRequest("http://localhost", name, "", kept.extra if kept else ""))
            stage = LlmStage(
                verifier, self.labels, self._settings(threshold, analyzed.decoding), cache=cache, prices=self._prices
            )
            return stage.plan([analyzed.text], [analyzed.local])

    def run_llm(
        self, analyzed: AnalyzedText, threshold: Threshold, request: LlmRequest, kept: KeptAnswers | None = None
    ) -> LlmOutcome:
        """Let the LLM decide about the doubtful spans; those that get no answer keep their local label.

        Args:
            analyzed: by the ensemble.
            threshold: above which spans are doubtful.
            request: who is asked.
            kept: where answers are kept, and found again.

        Raises:
            VisitorError: no model's name, an endpoint that is none or may not be used, or further fields that are no JSON object.
            LlmError: it is not possible at all.
        """
        if not request.model.strip() or not request.endpoint.strip():
            raise VisitorError("no_llm_model")
        endpoint = check_endpoint(request.endpoint, self.llm_hosts)
        verifier = self._verifier(replace(request, endpoint=endpoint))
        settings = self._settings(threshold, analyzed.decoding)
        with (
            open_kept(kept, "use") as cache,
            LlmStage(verifier, self.labels, settings, cache=cache, prices=self._prices) as stage,
        ):
            (final,) = stage.run([analyzed.text], [analyzed.local])
            report = stage.report()
        failed = [item.provenance for item in final if item.provenance.status in ("failed", "unparsed")]
        # The first of each kind comes last, and so it stays.
        reasons = {known.failure: known.llm_error for known in reversed(failed) if known.failure is not None}
        with_llm = replace(analyzed, final=tuple(final), has_llm=True)
        return LlmOutcome(with_llm, report, len(failed), reasons, len(with_llm.llm_changes))

    def use_kept(self, analyzed: AnalyzedText, kept: KeptAnswers) -> AnalyzedText:
        """The answers that were paid for, worked into another analysis of the same text; nothing is sent."""
        with open_kept(kept, "replay") as cache:
            if cache is None:
                return analyzed
            verifier = self._verifier(LlmRequest("http://localhost", kept.model, "", kept.extra))
            settings = self._settings(FixedThreshold(0.0), analyzed.decoding)
            with LlmStage(verifier, self.labels, settings, cache=cache, prices=self._prices) as stage:
                (final,) = stage.run([analyzed.text], [analyzed.local])
        answered = tuple(item if item.provenance.llm_label is not None else _as_local(item) for item in final)
        has_llm = any(item.provenance.llm_label is not None for item in answered)
        return replace(analyzed, final=answered, has_llm=has_llm)

    def _verifier(self, request: LlmRequest) -> OpenAIVerifier:
        return OpenAIVerifier(
            request.model.strip(),
            request.endpoint,
            request.key.strip() or _NO_KEY,
            timeout=self.limits.llm_seconds / 2,
            max_retries=1,
            token_limit=self.limits.llm_tokens,
            extra_body=request.extra_body,
        )

    def _settings(self, threshold: Threshold, decoding: str) -> LlmSettings:
        budget = Budget(calls=self.limits.llm_calls)
        return LlmSettings(threshold=threshold, decoding=decoding, budget=budget, time_limit=self.limits.llm_seconds)


def _as_local(item: VerifiedCandidate) -> VerifiedCandidate:
    """A span that was not asked about is as the ensemble decided it, where the answers about others leave it so."""
    known = item.provenance
    return replace(item, provenance=Provenance(known.local_label, known.uncertainty))
