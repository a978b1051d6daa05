"""An event loop in a thread of its own, and many jobs in it, some at a time."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from typing import Any, TypeVar

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from hybridner.errors import LlmError

_T = TypeVar("_T")


class BackgroundLoop:
    """Runs coroutines while the caller computes. Its thread starts when first used, and no program waits for it at its end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._context = start_blocking_portal(name="hybridner-llm")
        self._portal: BlockingPortal | None = None
        self._under_way: set[Future[Any]] = set()
        self._is_closed = False

    def start(self, work: Callable[..., Awaitable[_T]], *args: Any) -> Future[_T]:
        """Start a coroutine function in the loop.

        Raises:
            LlmError: the loop was closed.
        """
        with self._lock:
            if self._is_closed:
                raise LlmError("this LLM stage is closed; make another")
            if self._portal is None:
                self._portal = self._context.__enter__()
            future: Future[_T] = self._portal.start_task_soon(work, *args)
            self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def close(self, last: Callable[[], Awaitable[None]]) -> None:
        """Cancel what is under way, run `last` in the loop, and end the thread. Closing twice is the same as once."""
        if self._is_closed:
            return
        for future in list(self._under_way):
            future.cancel()
        try:
            self.start(last).result()
        finally:
            with self._lock:
                self._is_closed = True
            self._context.__exit__(None, None, None)


async def run_all(jobs: Iterable[_T], work: Callable[[_T], Awaitable[None]], *, workers: int, time_limit: float | None) -> None:
    """Do all jobs, at most `workers` at once; what is not done within the time limit is cancelled."""
    queue = iter(jobs)

    async def run_worker() -> None:
        # Workers share the iterator, so only as many jobs are under way, and in memory, as there are workers.
        for job in queue:
            await work(job)

    with anyio.move_on_after(time_limit):
        async with anyio.create_task_group() as group:
            for _ in range(workers):
                group.start_soon(run_worker)
