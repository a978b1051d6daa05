"""What everyone needs who asks an LLM: the way to it, its questions and answers, a budget, counts, and a thread to wait in."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TypeVar

from hybridner.llm.answers import AnswerReader
from hybridner.llm.background import BackgroundLoop
from hybridner.llm.cache import AnswerCache
from hybridner.llm.calls import CallRunner
from hybridner.llm.dispatcher import QuestionDispatcher
from hybridner.llm.guidelines import load_guidelines
from hybridner.llm.openai_verifier import OpenAIVerifier
from hybridner.llm.prices import BudgetTracker, Price, load_prices
from hybridner.llm.prompts import Prompter, PromptTemplate
from hybridner.llm.report import LlmReport, UsageStats
from hybridner.llm.settings import LlmSettings
from hybridner.llm.verifier import Verifier
from hybridner.spans import LabelSet

_Self = TypeVar("_Self", bound="LlmSession")


class LlmSession:
    """A verifier and what goes with asking it; `close` it, or use it in a ``with`` block.

    Args:
        verifier: who is asked.
        labels: the K entity types.
        settings: template, guidelines, budget and so on.
        cache: answers kept on disk, or None.
        prices: the price table, by default the package's own; `verifier.model` is looked up in it.

    Raises:
        LlmError: settings that do not go together, or a template or guidelines that cannot be read.
    """

    def __init__(
        self,
        verifier: Verifier,
        labels: LabelSet,
        settings: LlmSettings | None,
        cache: AnswerCache | None,
        prices: Mapping[str, Price] | None,
    ) -> None:
        self.verifier, self.labels, self.cache = verifier, labels, cache
        self.settings = settings = settings or LlmSettings()
        if cache is not None and isinstance(verifier, OpenAIVerifier):
            verifier.memory = cache
        self.price = (load_prices() if prices is None else prices).get(verifier.model)
        self.prompters = build_prompters(labels, settings)
        self._reader = AnswerReader(labels, self.prompter.template.non_entity)
        self._budget = BudgetTracker(settings.budget, self.price)
        self._stats = UsageStats()
        self._dispatcher = QuestionDispatcher(verifier, cache, self._stats)
        self._runner = CallRunner(self._dispatcher, self._budget, self._stats)
        self._loop = BackgroundLoop()

    @property
    def prompter(self) -> Prompter:
        """Writes the questions; of two prompts, the first."""
        return self.prompters[0]

    def report(self) -> LlmReport:
        """Cost and latency so far."""
        return self._stats.report(self.price)

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys of questions that a replay lacked."""
        return self._stats.missing

    def close(self) -> None:
        """Cancel what is under way and let go of connections; the cache stays open for its owner."""
        self._loop.close(self.verifier.close)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def build_prompters(labels: LabelSet, settings: LlmSettings) -> tuple[Prompter, ...]:
    """One for each prompt that a span is asked about with. The second lists the labels the other way round: an answer that owes
    something to the order of the list changes with it."""
    template = PromptTemplate.load(settings.template)
    guidelines = load_guidelines(settings.guidelines, template.language) if settings.guidelines else ""
    orders = [labels, LabelSet(labels.labels[::-1], labels.domain)][: settings.votes]
    return tuple(
        Prompter(
            order,
            template,
            min_context_chars=settings.min_context_chars,
            max_context_chars=settings.max_context_chars,
            guidelines=guidelines,
        )
        for order in orders
    )
