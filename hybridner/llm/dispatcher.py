"""One question on its way: the cache, then whoever is asking the same already (here or in another process), then the verifier."""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import uuid4

import anyio
from anyio import to_thread

from hybridner.errors import HybridNerError, LlmError
from hybridner.llm.cache import LEASE, AnswerCache, question_key
from hybridner.llm.prices import estimate_prompt
from hybridner.llm.report import UsageStats
from hybridner.llm.verifier import Answer, FailureKind, Question, Verifier, VerifierError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

#: Seconds between two looks for the answer that another process is getting; the first and the longest.
_FIRST_POLL, _LONGEST_POLL = 0.02, 0.5
#: Answers that are kept where there is no cache.
_REMEMBERED = 10_000


class _Call:
    """A question under way, for those who ask the same."""

    def __init__(self) -> None:
        self.done = anyio.Event()
        self.answer: Answer | None = None
        self.error: VerifierError | None = None


class QuestionDispatcher:
    """Answers questions through cache and verifier; to be used from one event loop.

    The same question is sent once, however many ask it at the same time: the others wait for its answer. Processes that share the
    file of the cache do so too. Without a cache the last answers are kept in memory.

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
        self._name = uuid4().hex
        self._under_way: dict[str, _Call] = {}
        self._gate = anyio.Semaphore(verifier.concurrency)
        self._is_cache_broken = False
        self._remembered: OrderedDict[str, Answer] = OrderedDict()
        self._replayed: set[str] = set()

    def keeps(self, key: str) -> bool:
        """Whether the answer to the question with this key is there without a call."""
        try:
            return key in self._remembered or (self.cache is not None and self.cache.get(key) is not None)
        except sqlite3.Error:
            return False  # a cache that fails costs a call, and nothing else

    async def complete(self, question: Question) -> tuple[Answer, bool]:
        """The answer, and whether it came without a call of its own.

        Raises:
            VerifierError: no answer; in replay mode also when none is recorded, naming the key that is missing.
        """
        key = question_key(self.verifier, question)
        while (other := self._under_way.get(key)) is not None:
            await other.done.wait()
            # Who asked first has the answer, or failed as this question would; or was cancelled, and then it is asked here.
            if other.answer is not None:
                self.stats.record_cached()
                return other.answer, True
            if other.error is not None:
                raise other.error
        call = self._under_way[key] = _Call()
        try:
            call.answer, is_cached = await self._answer(key, question)
        except VerifierError as error:
            call.error = error
            raise
        finally:
            del self._under_way[key]
            call.done.set()
        return call.answer, is_cached

    async def _answer(self, key: str, question: Question) -> tuple[Answer, bool]:
        wait = _FIRST_POLL
        while True:
            if (kept := await self._kept(key)) is not None:
                return self._count_kept(key, question, kept), True
            if self.cache is not None and self.cache.mode == "replay":
                self.stats.record_missing(key)
                raise VerifierError(f"not recorded in {self.cache.path}: question {key}", FailureKind.NOT_RECORDED)
            async with self._gate, self._claim(key) as is_mine:
                if is_mine:
                    # Another process may have got the answer and given up its claim since the cache was looked at.
                    if (kept := await self._kept(key)) is not None:
                        return self._count_kept(key, question, kept), True
                    return await self._call(key, question), False
            await anyio.sleep(wait)
            wait = min(2 * wait, _LONGEST_POLL)

    async def _call(self, key: str, question: Question) -> Answer:
        async with anyio.create_task_group() as group:
            group.start_soon(self._renew, key)
            outcome = await self._try(question)
            group.cancel_scope.cancel()
        if isinstance(outcome, VerifierError):
            self.stats.record_failure(outcome.attempts)
            raise outcome
        await self._keep(key, outcome)
        self.stats.record_answer(outcome, estimate_prompt(question.messages))
        return outcome

    async def _try(self, question: Question) -> Answer | VerifierError:
        try:
            return await self.verifier.complete(question)
        except VerifierError as error:
            return error
        except HybridNerError as error:
            return VerifierError(str(error), fatal=True)
        except Exception as error:
            # A verifier of the user's own may raise anything; the text's local result must survive that too.
            _log.warning("the verifier broke on a question", exc_info=True)
            return VerifierError(f"{type(error).__name__}: {error}", attempts=1)

    @asynccontextmanager
    async def _claim(self, key: str) -> AsyncIterator[bool]:
        """Whether this question is this dispatcher's to send; no other process sends it within the block then."""
        is_mine = await self._in_cache(lambda cache: cache.claim(key, self._name), True)
        try:
            yield is_mine
        finally:
            if is_mine:
                with anyio.CancelScope(shield=True):
                    await self._in_cache(lambda cache: cache.release(key, self._name), None)

    async def _renew(self, key: str) -> None:
        while self.cache is not None:
            await anyio.sleep(LEASE / 3)
            await self._in_cache(lambda cache: cache.claim(key, self._name), True)

    def _count_kept(self, key: str, question: Question, answer: Answer) -> Answer:
        """A replay repeats a run, so that its report tells what that run used: each recorded answer counts as the call it was."""
        if self.cache is not None and self.cache.mode == "replay" and key not in self._replayed:
            self._replayed.add(key)
            self.stats.record_answer(answer, estimate_prompt(question.messages))
        else:
            self.stats.record_cached()
        return answer

    async def _kept(self, key: str) -> Answer | None:
        return self._remembered.get(key) or await self._in_cache(lambda cache: cache.get(key), None)

    async def _keep(self, key: str, answer: Answer) -> None:
        if self.cache is None:
            self._remembered[key] = answer
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        await self._in_cache(lambda cache: cache.put(key, answer), None)

    async def _in_cache(self, work: Callable[[AnswerCache], _T], otherwise: _T) -> _T:
        """Do something with the cache, in a thread, for a disk may be slow; `otherwise` without a cache that works."""
        if self.cache is None:
            return otherwise
        try:
            return await to_thread.run_sync(work, self.cache)
        except sqlite3.Error as error:
            # A full disk or a lock held for too long must not cost answers; say so once.
            if not self._is_cache_broken:
                _log.warning("the cache of answers failed (%s); going on without it where it does", error)
            self._is_cache_broken = True
            return otherwise
