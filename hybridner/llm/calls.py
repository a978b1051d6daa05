"""Making the calls of a plan: each within the budget, all within a time limit, none after an error that all would meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from hybridner.llm.background import run_all
from hybridner.llm.dispatcher import QuestionDispatcher
from hybridner.llm.plan import estimate_usage
from hybridner.llm.prices import BudgetTracker, Usage, usage_from_answer
from hybridner.llm.report import UsageStats
from hybridner.llm.verifier import Answer, FailureKind, Question, VerifierError


class Planned(Protocol):
    """A call that was planned, with what was set aside for it."""

    @property
    def estimate(self) -> Usage: ...


_Call = TypeVar("_Call", bound=Planned)


class CallRunner:
    """Asks questions on account of a budget.

    Args:
        dispatcher: the way to the verifier.
        budget: what was reserved is settled here.
        stats: counts failures.
    """

    def __init__(self, dispatcher: QuestionDispatcher, budget: BudgetTracker, stats: UsageStats) -> None:
        self._dispatcher, self.budget, self.stats = dispatcher, budget, stats

    async def ask(self, question: Question, reserved: Usage) -> tuple[Answer, bool]:
        """Ask, and replace what was set aside for it by what it used, whatever happens.

        Raises:
            VerifierError: no usable answer.
        """
        used = Usage()
        try:
            answer, cached = await self._dispatcher.complete(question)
            if not cached:
                counted = usage_from_answer(answer)
                used = counted if counted.tokens else reserved if reserved.calls else estimate_usage(question)
            return answer, cached
        except VerifierError as error:
            used = Usage(0, error.prompt_tokens, error.completion_tokens)
            raise
        finally:
            self.budget.settle(reserved, used)

    async def run(
        self, calls: Sequence[_Call], work: Callable[[_Call], Awaitable[None]], time_limit: float | None
    ) -> list[tuple[_Call, VerifierError]]:
        """Make all calls, some at a time.

        Args:
            calls: in this order.
            work: asks with `ask` and keeps what came of it.
            time_limit: seconds for all, None for no limit.

        Returns:
            the calls that failed, and why.
        """
        failed: list[tuple[_Call, VerifierError]] = []
        fatal: list[VerifierError] = []
        done: set[int] = set()

        async def one(item: tuple[int, _Call]) -> None:
            number, call = item
            # Where every next question would fail in the same way, asking on would only take time.
            if fatal:
                self.budget.settle(call.estimate, Usage())
                self.stats.record_failure()
                failed.append((call, fatal[0]))
            else:
                try:
                    await work(call)
                except VerifierError as error:
                    if error.fatal:
                        fatal.append(error)
                    failed.append((call, error))
            done.add(number)

        queue = iter(enumerate(calls))
        if calls:
            await run_all(queue, one, workers=min(len(calls), self._dispatcher.verifier.concurrency), time_limit=time_limit)
        for _, call in queue:
            self.budget.settle(call.estimate, Usage())
        for number, call in enumerate(calls):
            if number not in done:
                self.stats.record_failure()
                late = VerifierError(f"not answered within the time limit of {time_limit:g} s", FailureKind.TIMED_OUT)
                failed.append((call, late))
        return failed
