"""The LLM stage as the pipeline sees it: candidates in, fused candidates with provenance out, now or in the background."""

from __future__ import annotations

import concurrent.futures
import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from anyio import to_thread

from hybridner.ensemble import Candidate, find_doubtful
from hybridner.errors import LlmError
from hybridner.llm.answers import AnswerReader
from hybridner.llm.background import BackgroundLoop, run_all
from hybridner.llm.cache import AnswerCache
from hybridner.llm.confusion import ConfusionMatrix
from hybridner.llm.dispatcher import QuestionDispatcher
from hybridner.llm.fusion import FUSIONS, FusionResult, resolve_again
from hybridner.llm.guidelines import load_guidelines
from hybridner.llm.prices import BudgetTracker, Price, Usage, estimate_prompt, load_prices, usage_from_answer
from hybridner.llm.prompts import Prompter, PromptTemplate
from hybridner.llm.report import LlmReport, UsageStats
from hybridner.llm.routing import ExampleFinder, Plan, PlannedCall, RoutedCandidate, estimate_usage, plan_calls, route_doubtful
from hybridner.llm.settings import LlmSettings
from hybridner.llm.verifier import Answer, FailureKind, Question, Verifier, VerifierError
from hybridner.spans import NON_ENTITY, LabelSet, Span

#: What became of a candidate: not routed; or routed and asked, answered without a call, given no label, failed, out of budget.
Status = Literal["local", "asked", "cached", "unparsed", "failed", "over_budget"]

#: Tokens of one line of an extraction, for the estimate of sending every text to the LLM.
_LINE_TOKENS = 10


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who decided about a candidate.

    Attributes:
        local_label: the ensemble's label.
        uncertainty: u of the candidate.
        status: what became of it, see `Status`.
        source: "llm" when the LLM's answer was used and is the final label; else "local".
        llm_label: the LLM's label ("O" for Non-Entity), None without a readable answer.
        llm_score: the LLM's own probability of its label, from verifiers that give one.
        model: name of the model that answered, as served.
        fusion: the fusion that was used, None where there was nothing to fuse.
        llm_error: why there is no LLM label although the candidate was routed, for people to read.
        failure: the same for programs.
        is_doubtful: whether the threshold was exceeded when the candidate came by.
        is_unfamiliar: whether the candidate stands in a text beyond what the model knows.
    """

    local_label: str
    uncertainty: float
    status: Status = "local"
    source: Literal["local", "llm"] = "local"
    llm_label: str | None = None
    llm_score: float | None = None
    model: str | None = None
    fusion: str | None = None
    llm_error: str | None = None
    failure: FailureKind | None = None
    is_doubtful: bool = False
    is_unfamiliar: bool = False

    @property
    def needs_review(self) -> bool:
        """Doubtful or in an unfamiliar text, and no LLM has given an answer."""
        return (self.is_doubtful or self.is_unfamiliar) and self.llm_label is None


@dataclass(frozen=True, slots=True)
class VerifiedCandidate:
    """A candidate after the stage, and how it came to be what it is."""

    candidate: Candidate
    provenance: Provenance


@dataclass(slots=True)
class _Outcome:
    status: Status
    label: str | None = None
    score: float | None = None
    model: str | None = None
    error: str | None = None
    failure: FailureKind | None = None


#: By number of the text and of the candidate in it.
_Outcomes = dict[tuple[int, int], _Outcome]


class LlmStage:
    """Routes, asks, reads, fuses. One object serves many batches; `close` it, or use it in a `with` block.

    Args:
        verifier: who is asked, see `as_verifier`.
        labels: the K entity types.
        settings: how.
        cache: answers kept on disk, or None.
        prices: the price table, by default the package's own; `verifier.model` is looked up in it.

    Raises:
        LlmError: settings that do not go together, or a template that cannot be read.
    """

    def __init__(
        self,
        verifier: Verifier,
        labels: LabelSet,
        settings: LlmSettings | None = None,
        *,
        cache: AnswerCache | None = None,
        prices: Mapping[str, Price] | None = None,
    ) -> None:
        self.verifier = verifier
        self.labels = labels
        self.settings = settings = settings or LlmSettings()
        self.cache = cache
        self.price = (load_prices() if prices is None else prices).get(verifier.model)
        template = PromptTemplate.load(settings.template)
        self.prompter = Prompter(
            labels,
            template,
            min_context_chars=settings.min_context_chars,
            max_context_chars=settings.max_context_chars,
            guidelines=load_guidelines(settings.guidelines, template.language) if settings.guidelines else "",
        )
        self._reader = AnswerReader(labels, template.non_entity)
        self._matrix = settings.confusion or ConfusionMatrix.from_accuracy(settings.accuracy, labels.with_outside)
        if self._matrix.labels != labels.with_outside:
            raise LlmError("the confusion matrix was fitted for other labels than these, or in another order")
        self._budget = BudgetTracker(settings.budget, self.price)
        self._stats = UsageStats()
        self._dispatcher = QuestionDispatcher(verifier, cache, self._stats)
        self._loop = BackgroundLoop()

    def plan(
        self, texts: Sequence[str], candidates: Sequence[Sequence[Candidate]], examples: ExampleFinder | None = None
    ) -> Plan:
        """What `submit` would ask now, with calls, tokens and price; no request is sent and no budget used (a dry run)."""
        # Neither the budget nor an adaptive threshold moves.
        threshold = copy.deepcopy(self.settings.threshold)
        doubtful = [find_doubtful(row, threshold, self.settings.kinds) for row in candidates]
        return self._plan(texts, candidates, doubtful, examples, self._budget.copy())

    def submit(
        self, texts: Sequence[str], candidates: Sequence[Sequence[Candidate]], examples: ExampleFinder | None = None
    ) -> concurrent.futures.Future[list[list[VerifiedCandidate]]]:
        """Start verifying a batch in the background.

        Planning and the search for examples happen here, in the caller's thread; the calls, reading and fusion in another.

        Args:
            texts: the B texts.
            candidates: of each text, as `decide` returns them, with offsets into it.
            examples: finds labelled examples for a routed candidate, or None.

        Returns:
            a future of the candidates of each text, in the same order; it only fails with ``on_llm_error="raise"``.
        """
        doubtful = [find_doubtful(row, self.settings.threshold, self.settings.kinds) for row in candidates]
        plan = self._plan(texts, candidates, doubtful, examples, self._budget)
        self._count(texts, candidates, plan)
        return self._loop.start(self._run, candidates, doubtful, plan)

    def run(
        self, texts: Sequence[str], candidates: Sequence[Sequence[Candidate]], examples: ExampleFinder | None = None
    ) -> list[list[VerifiedCandidate]]:
        """As `submit`, and wait for the result."""
        return self.submit(texts, candidates, examples).result()

    def report(self) -> LlmReport:
        """Cost and latency since the stage was made."""
        return self._stats.report(self.price)

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys of questions that a replay lacked."""
        return self._stats.missing

    def close(self) -> None:
        """Cancel what is under way and let go of connections; the cache stays open for its owner."""
        self._loop.close(self.verifier.close)

    def __enter__(self) -> LlmStage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _plan(
        self,
        texts: Sequence[str],
        candidates: Sequence[Sequence[Candidate]],
        doubtful: Sequence[Sequence[bool]],
        examples: ExampleFinder | None,
        budget_tracker: BudgetTracker,
    ) -> Plan:
        if len(texts) != len(candidates):
            raise LlmError(f"{len(texts)} texts but candidates of {len(candidates)}")
        return plan_calls(
            texts,
            candidates,
            route_doubtful(candidates, doubtful, self.settings.kinds),
            prompter=self.prompter,
            verifier=self.verifier,
            cache=self.cache,
            budget_tracker=budget_tracker,
            price=self.price,
            spans_per_call=self.settings.spans_per_call,
            calls_per_text=self.settings.budget.calls_per_text,
            examples=examples,
        )

    def _count(self, texts: Sequence[str], candidates: Sequence[Sequence[Candidate]], plan: Plan) -> None:
        routed = [item for call in plan.calls for item in call.routed]
        self._stats.add(
            texts=len(texts),
            texts_routed=len({item.text for item in routed}),
            entities=sum(candidate.is_entity for row in candidates for candidate in row),
            entities_routed=sum(item.kind == "entity" for item in routed),
            spans_routed=len(routed),
        )
        for text, row in zip(texts, candidates, strict=True):
            lines = 1 + sum(candidate.is_entity for candidate in row)
            prompt = estimate_prompt(self.prompter.build_extraction(text).messages)
            self._stats.add_baseline(Usage(1, prompt, _LINE_TOKENS * lines))

    async def _run(
        self, candidates: Sequence[Sequence[Candidate]], doubtful: Sequence[Sequence[bool]], plan: Plan
    ) -> list[list[VerifiedCandidate]]:
        outcomes: _Outcomes = {
            (item.text, item.index): _Outcome("over_budget", failure=FailureKind.OVER_BUDGET) for item in plan.over_budget
        }
        fatal: list[VerifierError] = []

        async def work(call: PlannedCall) -> None:
            # Where every next question would fail in the same way, asking on would only take time.
            if fatal:
                self._budget.settle(call.estimate, Usage())
                self._stats.record_failure()
                _set_failed(outcomes, call.routed, str(fatal[0]), fatal[0].kind)
                return
            try:
                outcomes.update(await self._answer(call))
            except VerifierError as error:
                if error.fatal:
                    fatal.append(error)
                _set_failed(outcomes, call.routed, str(error), error.kind)

        queue = iter(plan.calls)
        limit = self.settings.time_limit
        if plan.calls:
            await run_all(queue, work, workers=min(len(plan.calls), self.verifier.concurrency), time_limit=limit)
        for call in queue:
            self._budget.settle(call.estimate, Usage())
        for call in plan.calls:
            if (call.routed[0].text, call.routed[0].index) not in outcomes:
                self._stats.record_failure()
                _set_failed(outcomes, call.routed, f"not answered within the time limit of {limit:g} s", FailureKind.TIMED_OUT)
        if self.settings.on_llm_error == "raise":
            _raise_for(outcomes)
        # Not in the event loop: other batches are waiting for their answers there.
        return await to_thread.run_sync(self._verify, candidates, doubtful, outcomes)

    def _verify(
        self, candidates: Sequence[Sequence[Candidate]], doubtful: Sequence[Sequence[bool]], outcomes: _Outcomes
    ) -> list[list[VerifiedCandidate]]:
        return [
            self._verified(number, row, doubts, outcomes)
            for number, (row, doubts) in enumerate(zip(candidates, doubtful, strict=True))
        ]

    async def _answer(self, call: PlannedCall) -> _Outcomes:
        """Ask, read, and where something could not be read ask once more; what then is no label stays unparsed."""
        question, count = call.question, call.question.count
        first, cached = await self._ask(question, call.estimate)
        labels = await to_thread.run_sync(self._reader.read_labels, first.content, count)
        source = [(first, cached)] * count
        problem = "the answer is none of the labels"
        again = self.prompter.build_retry(question, first.content)
        estimate = estimate_usage(again)
        if None in labels and self._budget.reserve(estimate):
            try:
                second, cached = await self._ask(again, estimate)
            except VerifierError as error:
                problem = f"{problem}, and when asked once more: {error}"
            else:
                more = await to_thread.run_sync(self._reader.read_labels, second.content, count)
                source = [pair if label else (second, cached) for label, pair in zip(labels, source, strict=True)]
                labels = tuple(label or new for label, new in zip(labels, more, strict=True))
        self._stats.add(unparsed=labels.count(None))
        return {
            (item.text, item.index): _Outcome("cached" if cached else "asked", label, _score(answer, number), answer.model)
            if label
            else _Outcome("unparsed", model=answer.model, error=problem, failure=FailureKind.UNREADABLE)
            for number, (item, label, (answer, cached)) in enumerate(zip(call.routed, labels, source, strict=True))
        }

    async def _ask(self, question: Question, reserved: Usage) -> tuple[Answer, bool]:
        """Ask, and replace what was set aside for it by what it used, whatever happens."""
        used = Usage()
        try:
            answer, cached = await self._dispatcher.complete(question)
            if not cached:
                used = (
                    usage_from_answer(answer) if answer.prompt_tokens + answer.completion_tokens > 0 else estimate_usage(question)
                )
            return answer, cached
        except VerifierError as error:
            used = Usage(0, error.prompt_tokens, error.completion_tokens)
            raise
        finally:
            self._budget.settle(reserved, used)

    def _verified(
        self, number: int, candidates: Sequence[Candidate], doubtful: Sequence[bool], outcomes: _Outcomes
    ) -> list[VerifiedCandidate]:
        """Fuse the answers about one text and choose its entities again."""
        names = self.labels.with_outside
        position = {name: index for index, name in enumerate(names)}
        fuse = FUSIONS[self.settings.fusion]
        mine = {index: outcome for index in range(len(candidates)) if (outcome := outcomes.get((number, index))) is not None}
        fused: dict[int, FusionResult] = {
            index: fuse(candidates[index].distribution, position[candidates[index].label], position[outcome.label], self._matrix)
            for index, outcome in mine.items()
            if outcome.label is not None
        }
        final = resolve_again(candidates, fused, names, self.settings.decoding)
        return [
            VerifiedCandidate(new, self._provenance(old, new, doubts, mine.get(index)))
            for index, (old, new, doubts) in enumerate(zip(candidates, final, doubtful, strict=True))
        ]

    def _provenance(self, old: Candidate, new: Candidate, doubtful: bool, outcome: _Outcome | None) -> Provenance:
        if outcome is None:
            return Provenance(old.label, old.uncertainty, is_doubtful=doubtful, is_unfamiliar=old.is_unfamiliar)
        return Provenance(
            local_label=old.label,
            uncertainty=old.uncertainty,
            status=outcome.status,
            source="llm" if outcome.label == new.label else "local",
            llm_label=outcome.label,
            llm_score=outcome.score,
            model=outcome.model,
            fusion=self.settings.fusion if outcome.label is not None else None,
            llm_error=outcome.error,
            failure=outcome.failure,
            is_doubtful=doubtful,
            is_unfamiliar=old.is_unfamiliar,
        )


def _score(answer: Answer, number: int) -> float | None:
    """The probability of the chosen option of span `number`, where the verifier gave one."""
    return max(answer.probabilities[number]) if answer.probabilities else None


def _set_failed(outcomes: _Outcomes, routed: Sequence[RoutedCandidate], problem: str, kind: FailureKind) -> None:
    outcomes.update({(item.text, item.index): _Outcome("failed", error=problem, failure=kind) for item in routed})


def _raise_for(outcomes: _Outcomes) -> None:
    """Raises:
    LlmError: any routed span failed; names all the different reasons (in replay mode: every question that is missing).
    """
    failed = [outcome.error or "" for outcome in outcomes.values() if outcome.status == "failed"]
    if failed:
        reasons = "; ".join(dict.fromkeys(failed))
        raise LlmError(f"the LLM gave no answer for {len(failed)} of {len(outcomes)} routed spans: {reasons}")


def collect_answer_pairs(results: Iterable[Sequence[VerifiedCandidate]], gold: Iterable[Sequence[Span]]) -> list[tuple[str, str]]:
    """(true label, LLM's label) of every candidate that the LLM gave a label, for `ConfusionMatrix.fit`.

    The true label is "O" where gold has no entity with exactly these characters. Use texts that nothing was trained on.

    Args:
        results: of each text, as the stage returns them.
        gold: gold spans of each text.
    """
    pairs: list[tuple[str, str]] = []
    for row, spans in zip(results, gold, strict=True):
        truth = {(span.start, span.end): span.label for span in spans}
        pairs += [
            (truth.get((item.candidate.start, item.candidate.end), NON_ENTITY), item.provenance.llm_label)
            for item in row
            if item.provenance.llm_label is not None
        ]
    return pairs
