"""Dynamic batching: texts of requests that wait at the same time are read together.

A lone request is read at once, and the busier the service, the larger its batches: a free worker takes what is there, after a
few milliseconds more where the last batch was larger, since clients that were answered together ask again together. Requests take
turns text by text, so that a long list holds nobody up. What is found in a text does not depend on what it is read together with:
logits of padded batches are the same up to rounding, and int8 windows run by themselves (see `hybridner.export`).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from hybridner.errors import HybridNerError

#: Seconds without a further request after which a busy worker waits no longer, and the longest that it waits in all.
_PAUSE, _LONGEST_WAIT = 0.005, 0.05

Options = TypeVar("Options", bound=Hashable)
Result = TypeVar("Result")


class OverloadedError(HybridNerError):
    """More texts wait already than the service lets wait."""


class TooSlowError(HybridNerError):
    """A request was not answered in the time it may take."""


@dataclass(eq=False)
class _Job(Generic[Options, Result]):
    """One request on its way."""

    texts: Sequence[str]
    options: Options
    answer: asyncio.Future[list[Result]]
    results: dict[int, Result] = field(default_factory=dict)
    taken: int = 0

    @property
    def is_taken(self) -> bool:
        return self.taken == len(self.texts)

    def give(self, position: int, result: Result | Exception) -> None:
        """The result of one text; the last one answers the request, and so does the first failure."""
        if self.answer.done():
            return
        if isinstance(result, Exception):
            self.answer.set_exception(result)
            return
        self.results[position] = result
        if len(self.results) == len(self.texts):
            self.answer.set_result([self.results[number] for number in range(len(self.texts))])


class Batcher(Generic[Options, Result]):
    """Reads the texts of concurrent requests in batches, on threads of its own. All methods belong to one event loop.

    Args:
        read: gives the result of each text; called in threads, with texts that share their options.
        max_batch: most texts read together.
        max_characters: most characters read together, unless one text alone has more.
        max_waiting: most texts that may wait; further requests are refused.
        workers: batches in work at once; with two, one is decoded while the other is in the encoders.
        observe: is told the size of each batch and the seconds it took.

    Examples:
        >>> async def main() -> list[int]:
        ...     batcher = Batcher(lambda texts, _: [len(text) for text in texts], max_batch=32)
        ...     try:
        ...         return await batcher.submit(["俄罗斯", "北约"], None, timeout=5)
        ...     finally:
        ...         await batcher.close()
        >>> asyncio.run(main())
        [3, 2]
    """

    def __init__(
        self,
        read: Callable[[Sequence[str], Options], Sequence[Result]],
        *,
        max_batch: int = 32,
        max_characters: int = 8_192,
        max_waiting: int = 1_024,
        workers: int = 2,
        observe: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self._read, self._observe = read, observe
        self._max_batch, self._max_characters, self._max_waiting = max_batch, max_characters, max_waiting
        self._jobs: deque[_Job[Options, Result]] = deque()
        self._arrived = asyncio.Event()
        self._last_size = 1
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="hybridner")
        self._workers = [asyncio.create_task(self._work()) for _ in range(workers)]

    @property
    def waiting(self) -> int:
        """Texts that no worker has taken yet."""
        return sum(len(job.texts) - job.taken for job in self._jobs)

    @property
    def is_alive(self) -> bool:
        """Whether all workers are at work."""
        return not any(worker.done() for worker in self._workers)

    async def submit(self, texts: Sequence[str], options: Options, timeout: float) -> list[Result]:
        """The result of each text.

        Raises:
            OverloadedError: too many texts wait.
            TooSlowError: it took more than `timeout` seconds; what had not been taken by then is not read any more.
            Exception: what `read` raises for one of these texts.
        """
        if not texts:
            return []
        waiting = self.waiting
        if waiting + len(texts) > self._max_waiting:
            raise OverloadedError(
                f"{waiting} texts wait already, and at most {self._max_waiting} may; send these {len(texts)} again later"
            )
        job = _Job[Options, Result](texts, options, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._arrived.set()
        try:
            return await asyncio.wait_for(job.answer, timeout)
        except TimeoutError:
            raise TooSlowError(f"not read within {timeout:g} seconds; send fewer or shorter texts, or try again later") from None
        finally:
            # Whoever asked has been answered, has given up or has gone.
            if not job.is_taken and job in self._jobs:
                self._jobs.remove(job)

    async def close(self) -> None:
        """End the workers; whoever still waits is told that the request was cancelled."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        for job in self._jobs:
            job.answer.cancel()
        self._pool.shutdown(wait=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._jobs:
                self._arrived.clear()
                await self._arrived.wait()
            await self._await_more()
            if not self._jobs:
                continue  # another worker was faster
            batch = self._take()
            self._last_size = len(batch)
            began = time.perf_counter()
            texts = [job.texts[position] for job, position in batch]
            results = await loop.run_in_executor(self._pool, self._read_all, texts, batch[0][0].options)
            self._observe(len(batch), time.perf_counter() - began)
            for (job, position), result in zip(batch, results, strict=True):
                job.give(position, result)

    async def _await_more(self) -> None:
        """While fewer texts wait than were read together last, and more come one close upon the other, let them come."""
        end = time.perf_counter() + _LONGEST_WAIT
        while self.waiting < self._last_size and time.perf_counter() < end:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), _PAUSE)
            except TimeoutError:
                return

    def _take(self) -> list[tuple[_Job[Options, Result], int]]:
        """The next texts in turn of the first request and of all that are to be read in the same way."""
        options, room = self._jobs[0].options, self._max_characters
        batch: list[tuple[_Job[Options, Result], int]] = []
        turns = deque(job for job in self._jobs if job.options == options)
        while turns and len(batch) < self._max_batch:
            job = turns.popleft()
            room -= len(job.texts[job.taken])
            if batch and room < 0:
                break
            batch.append((job, job.taken))
            job.taken += 1
            if not job.is_taken:
                turns.append(job)
        # Those that had no turn come first next time.
        had_turn = {job for job, _ in batch}
        left = [job for job in self._jobs if not job.is_taken]
        self._jobs = deque(sorted(left, key=lambda job: job in had_turn))
        return batch

    def _read_all(self, texts: Sequence[str], options: Options) -> Sequence[Result | Exception]:
        """The result of each text, or the error that it raises when it is read alone."""
        try:
            return self._read(texts, options)
        except Exception as error:
            if len(texts) == 1:
                return [error]
        return [self._read_all([text], options)[0] for text in texts]
