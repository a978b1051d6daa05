"""One question on its way: the cache, then whoever is asking the same already, then the verifier; and the thread for that."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from hybridner.errors import LlmError
from hybridner.llm.cache import AnswerCache, question_key
from hybridner.llm.prices import estimate_prompt
from hybridner.llm.report import UsageStats
from hybridner.llm.verifier import Answer, FailureKind, Question, Verifier, VerifierError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class QuestionDispatcher:
    """Answers questions through cache and verifier; to be used from one event loop.

    Args:
        verifier: who is asked.
        cache: where answers are kept, or None.
        stats: counts what happens.

    Raises:
        LlmError: a verifier that allows no question at all.
    """

    def __init__(self, verifier: Verifier, cache: AnswerCache | None, stats: UsageStats) -> None:
        if verifier.concurrency < 1:
            raise LlmError(f"a verifier's `concurrency` must be at least 1, not {verifier.concurrency}")
        self.verifier = verifier
        self.cache = cache
        self.stats = stats
        self._under_way: dict[str, asyncio.Future[Answer]] = {}
        self._gate = asyncio.Semaphore(verifier.concurrency)
        self._cache_broken = False
        self._replayed: set[str] = set()

    async def complete(self, question: Question) -> tuple[Answer, bool]:
        """The answer, and whether it came without a call of its own.

        Raises:
            VerifierError: no answer; in replay mode also when none is recorded, naming the key that is missing.
        """
        key = question_key(self.verifier, question)
        while True:
            kept = self._kept(key)
            if kept is not None:
                self._count_kept(key, question, kept)
                return kept, True
            if self.cache is not None and self.cache.mode == "replay":
                self.stats.missed(key)
                raise VerifierError(f"not recorded in {self.cache.path}: question {key}", FailureKind.NOT_RECORDED)
            other = self._under_way.get(key)
            if other is None:
                return await self._call(key, question), False
            await asyncio.wait([other])
            if not other.cancelled():
                # Whoever asked first has the answer, or failed as this question would.
                answer = other.result()
                self.stats.cached()
                return answer, True

    async def _call(self, key: str, question: Question) -> Answer:
        call: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._under_way[key] = call
        try:
            async with self._gate:
                answer = await self.verifier.complete(question)
        except VerifierError as error:
            self._fail(call, error)
            raise
        except Exception as error:
            # A verifier of the user's own may raise anything; the text's local result must survive that too.
            _log.warning("the verifier broke on a question", exc_info=True)
            failure = VerifierError(f"{type(error).__name__}: {error}", attempts=1)
            self._fail(call, failure)
            raise failure from error
        else:
            self._keep(key, answer)
            call.set_result(answer)
            self.stats.answered(answer, estimate_prompt(question.messages))
            return answer
        finally:
            call.cancel()
            del self._under_way[key]

    def _fail(self, call: asyncio.Future[Answer], error: VerifierError) -> None:
        self.stats.failed(error.attempts)
        call.set_exception(error)
        call.exception()  # marks it as seen: often nobody else waits for it

    def _count_kept(self, key: str, question: Question, answer: Answer) -> None:
        """A replay repeats a run, so that its report tells what that run used: each recorded answer counts as the call it was."""
        if self.cache is not None and self.cache.mode == "replay" and key not in self._replayed:
            self._replayed.add(key)
            self.stats.answered(answer, estimate_prompt(question.messages))
        else:
            self.stats.cached()

    def _kept(self, key: str) -> Answer | None:
        try:
            return self.cache.get(key) if self.cache is not None else None
        except (sqlite3.Error, ValueError) as error:
            self._cache_failed(error)
            return None

    def _keep(self, key: str, answer: Answer) -> None:
        try:
            if self.cache is not None:
                self.cache.put(key, answer)
        except sqlite3.Error as error:
            self._cache_failed(error)

    def _cache_failed(self, error: Exception) -> None:
        """A full disk or a lock held for too long must not cost answers; say so once."""
        if not self._cache_broken:
            _log.warning("the cache of answers failed (%s); going on without it where it does", error)
        self._cache_broken = True


async def run_all(jobs: Iterable[_T], work: Callable[[_T], Awaitable[None]], *, workers: int, time_limit: float | None) -> bool:
    """Do all jobs, at most `workers` at once; what is not done within the time limit is cancelled.

    Returns:
        whether all were done.
    """
    queue = iter(jobs)

    async def worker() -> None:
        # Workers share the iterator, so only as many jobs are under way, and in memory, as there are workers.
        for job in queue:
            await work(job)

    tasks = [asyncio.create_task(worker()) for _ in range(workers)]
    try:
        done, late = await asyncio.wait(tasks, timeout=time_limit)
    except asyncio.CancelledError:
        done, late = set(), set(tasks)
        raise
    finally:
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()
    return not late


class LoopThread:
    """An event loop in a thread of its own, so that calls go on while the caller computes. Started when first used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False

    def start(self, work: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        """Start a coroutine in the loop.

        Raises:
            LlmError: the thread was stopped.
        """
        with self._lock:
            if self._stopped:
                work.close()
                raise LlmError("this LLM stage is closed; make another")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # A daemon: a program that ends does not wait for an LLM.
                self._thread = threading.Thread(target=self._loop.run_forever, name="hybridner-llm", daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self, last: Coroutine[Any, Any, None]) -> None:
        """Cancel what is under way, run `last` in the loop, and end the thread. Stopping twice is the same as once."""
        if self._stopped:
            last.close()
            return
        try:
            self.start(_wind_down(last)).result()
        finally:
            self._end()

    def _end(self) -> None:
        with self._lock:
            self._stopped = True
            if self._loop is not None and self._thread is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()


async def _wind_down(last: Coroutine[Any, Any, None]) -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await last
