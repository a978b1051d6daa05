"""All entities of texts by an LLM alone, from the definitions of the labels: planned, within a budget, and with exact offsets."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hybridner.errors import LlmError
from hybridner.llm.answers import AnswerReader
from hybridner.llm.background import BackgroundLoop, run_all
from hybridner.llm.cache import AnswerCache, question_key
from hybridner.llm.dispatcher import QuestionDispatcher
from hybridner.llm.extraction import Extraction, SentenceFinder, join_extractions, read_extraction
from hybridner.llm.guidelines import load_guidelines
from hybridner.llm.prices import BudgetTracker, Price, Usage, estimate_prompt, load_prices, usage_from_answer
from hybridner.llm.prompts import Prompter, PromptTemplate
from hybridner.llm.report import LlmReport, UsageStats
from hybridner.llm.settings import LlmSettings
from hybridner.llm.verifier import Question, Verifier, VerifierError
from hybridner.spans import LabelSet
from hybridner.text import cut_windows

#: For the estimate: tokens of one line of an answer, and characters of text for each of them.
_LINE_TOKENS, _CHARACTERS_PER_LINE = 10, 15
OVER_BUDGET = "not asked: the budget is used up"


@dataclass(frozen=True, slots=True)
class PieceQuestion:
    """A question about characters from `start` of text number `text`, and its estimated use (nothing when it is cached)."""

    text: int
    start: int
    shown: str
    question: Question
    cached: bool
    estimate: Usage


@dataclass(frozen=True, slots=True)
class ExtractionPlan:
    """What would be asked, before any request is sent.

    Attributes:
        calls: in the order of the texts.
        over_budget: those that no budget is left for.
        price: of the model, where it is known.

    Examples:
        >>> verifier = as_verifier({"model": "deepseek-flash", "base_url": "http://127.0.0.1:8901/v1"})
        >>> with Extractor(verifier, LabelSet.of(["武器", "国家"])) as extractor:
        ...     plan = extractor.plan([text, "北约的无人机"])
        >>> plan.usage.calls, plan.left_out, plan.cost is None
        (2, 0, False)
    """

    calls: tuple[PieceQuestion, ...]
    over_budget: tuple[PieceQuestion, ...]
    price: Price | None

    @property
    def usage(self) -> Usage:
        """Estimated calls and tokens; answers from the cache count nothing."""
        return sum((call.estimate for call in self.calls), Usage())

    @property
    def left_out(self) -> int:
        """How many pieces no budget is left for."""
        return len(self.over_budget)

    @property
    def cost(self) -> float | None:
        """Estimated price in `price.currency`; None without a price."""
        return self.price.of(self.usage) if self.price else None

    def __str__(self) -> str:
        usage, cached = self.usage, sum(call.cached for call in self.calls)
        money = f"about {self.cost:.4f} {self.price.currency}" if self.price else "price unknown"
        return (
            f"{usage.calls} calls ({cached} more from the cache), about {usage.prompt_tokens} tokens in and "
            f"{usage.completion_tokens} out, {money}; {len(self.over_budget)} pieces of text over budget"
        )


class Extractor:
    """Asks for the entities of whole texts. One object serves many batches; `close` it, or use it in a `with` block.

    Args:
        verifier: who is asked; must be able to write free text.
        labels: the entity types with their definitions.
        settings: template, guidelines, budget, time limit and so on; longer texts than `max_context_chars` are asked about in
            pieces.
        cache: answers kept on disk, or None.
        prices: the price table, by default the package's own.
        examples: finds labelled sentences to show before a text.

    Raises:
        LlmError: settings that do not go together, or a template or guidelines that cannot be read.

    Examples:
        >>> verifier = as_verifier({"model": "deepseek-flash", "base_url": "http://127.0.0.1:8901/v1"})
        >>> with Extractor(verifier, LabelSet.of(["武器", "国家"])) as extractor:
        ...     extractor.plan([text]).usage.calls      # and `extractor.run([text])[0].spans` asks
        1
    """

    def __init__(
        self,
        verifier: Verifier,
        labels: LabelSet,
        settings: LlmSettings | None = None,
        *,
        cache: AnswerCache | None = None,
        prices: Mapping[str, Price] | None = None,
        examples: SentenceFinder | None = None,
    ) -> None:
        self.verifier, self.cache = verifier, cache
        self.settings = settings = settings or LlmSettings()
        template = PromptTemplate.load(settings.template)
        guidelines = load_guidelines(settings.guidelines, template.language) if settings.guidelines is not None else ""
        self._prompter = Prompter(labels, template, guidelines=guidelines)
        self._reader = AnswerReader(labels, template.non_entity)
        self._examples = examples
        self._price = (load_prices() if prices is None else prices).get(verifier.model)
        self._budget = BudgetTracker(settings.budget, self._price)
        self._stats = UsageStats()
        self._dispatcher = QuestionDispatcher(verifier, cache, self._stats)
        self._loop = BackgroundLoop()

    def plan(self, texts: Sequence[str]) -> ExtractionPlan:
        """What `run` would ask now; no request is sent and no budget used (a dry run)."""
        return self._plan(texts, self._budget.copy())

    def run(self, texts: Sequence[str]) -> list[Extraction]:
        """What was found in each text, in order; one that was not answered, or not in whole, has an `error`.

        Raises:
            LlmError: a question failed, with ``on_llm_error="raise"`` only.
        """
        plan = self._plan(texts, self._budget)
        found: dict[tuple[int, int], Extraction] = {}
        late = f"not answered within the time limit of {self.settings.time_limit} s"
        for call in plan.calls:
            found[call.text, call.start] = Extraction(error=late)
        for call in plan.over_budget:
            found[call.text, call.start] = Extraction(error=OVER_BUDGET)
        if plan.calls:
            self._loop.start(self._ask_all, plan.calls, found).result()
        results = _by_text(found, len(texts))
        self._stats.add(
            texts=len(texts),
            texts_routed=len({call.text for call in plan.calls}),
            entities=0,
            unparsed=sum(result.unreadable for result in results),
        )
        problems = dict.fromkeys(result.error for result in results if result.error)
        if problems and self.settings.on_llm_error == "raise":
            raise LlmError(f"the LLM did not answer about all texts: {'; '.join(map(str, problems))}")
        return results

    def report(self) -> LlmReport:
        """Cost and latency since the extractor was made."""
        return self._stats.report(self._price)

    def close(self) -> None:
        """Cancel what is under way and let go of connections; the cache stays open for its owner."""
        self._loop.close(self.verifier.close)

    def __enter__(self) -> Extractor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _plan(self, texts: Sequence[str], budget: BudgetTracker) -> ExtractionPlan:
        calls: list[PieceQuestion] = []
        over: list[PieceQuestion] = []
        limit = self.settings.budget.calls_per_text
        for number, text in enumerate(texts):
            asked = 0
            for window in cut_windows(text, self.settings.max_context_chars, 0):
                call = self._piece(number, window.start, text[window.start : window.end])
                if not call.shown.strip():
                    continue
                if call.cached:
                    calls.append(call)
                elif (limit is None or asked < limit) and budget.reserve(call.estimate):
                    asked += 1
                    calls.append(call)
                else:
                    over.append(call)
        return ExtractionPlan(tuple(calls), tuple(over), self._price)

    def _piece(self, number: int, start: int, shown: str) -> PieceQuestion:
        question = self._prompter.build_extraction(shown, self._examples(shown) if self._examples is not None else ())
        try:
            cached = self.cache is not None and self.cache.get(question_key(self.verifier, question)) is not None
        except sqlite3.Error:
            cached = False  # a cache that fails costs a call, and nothing else
        answer = _LINE_TOKENS * (1 + len(shown) // _CHARACTERS_PER_LINE)
        estimate = Usage() if cached else Usage(1, estimate_prompt(question.messages), answer)
        return PieceQuestion(number, start, shown, question, cached, estimate)

    async def _ask_all(self, calls: Sequence[PieceQuestion], found: dict[tuple[int, int], Extraction]) -> None:
        fatal: list[VerifierError] = []

        async def work(call: PieceQuestion) -> None:
            used = Usage()
            try:
                # Where every next question would fail in the same way, asking on would only take time.
                if fatal:
                    self._stats.record_failure()
                    raise fatal[0]
                answer, cached = await self._dispatcher.complete(call.question)
                if not cached:
                    counted = usage_from_answer(answer)
                    used = counted if counted.tokens else call.estimate
            except VerifierError as error:
                if error.fatal and not fatal:
                    fatal.append(error)
                found[call.text, call.start] = Extraction(error=str(error))
            else:
                found[call.text, call.start] = read_extraction(
                    call.shown, answer.content, self._reader, truncated=answer.truncated
                )
            finally:
                self._budget.settle(call.estimate, used)

        queue = iter(calls)
        workers = min(len(calls), self.verifier.concurrency)
        await run_all(queue, work, workers=workers, time_limit=self.settings.time_limit)
        for call in queue:
            self._budget.settle(call.estimate, Usage())


def _by_text(found: Mapping[tuple[int, int], Extraction], texts: int) -> list[Extraction]:
    parts: list[list[tuple[int, Extraction]]] = [[] for _ in range(texts)]
    for (number, start), part in sorted(found.items()):
        parts[number].append((start, part))
    return [join_extractions(pieces) for pieces in parts]


def extract(
    texts: Sequence[str],
    labels: LabelSet,
    verifier: Verifier,
    *,
    template: str | Path = "en",
    guidelines: str | Path | None = None,
    examples: SentenceFinder | None = None,
    cache: AnswerCache | None = None,
    prices: Mapping[str, Price] | None = None,
    time_limit: float | None = None,
) -> tuple[list[Extraction], LlmReport]:
    """Ask the LLM once for all entities of each text, without a budget (the pure-LLM baseline); see `Extractor`.

    Args:
        texts: to be read.
        labels: the entity types.
        verifier: who is asked; closed at the end.
        template, guidelines, examples, cache, prices: as for `Extractor`.
        time_limit: seconds for all texts together; texts without an answer by then have an `error`.

    Returns:
        what was found in each text, in order, and the report of cost and latency.

    Examples:
        >>> class Reader:
        ...     model, parameters, concurrency = "reader", {}, 1
        ...     async def complete(self, question):
        ...         return Answer("国家: 俄罗斯", self.model)
        ...     async def close(self):
        ...         pass
        >>> found, report = extract([text], LabelSet.of(["国家", "武器"]), Reader(), template="zh")
        >>> found[0].spans, report.calls
        ((Span(start=0, end=3, label='国家'),), 1)
    """
    settings = LlmSettings(template=template, guidelines=guidelines, time_limit=time_limit)
    with Extractor(verifier, labels, settings, cache=cache, prices=prices, examples=examples) as extractor:
        return extractor.run(texts), extractor.report()
