"""How far a job is, how fast, and how long it still takes: one line on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

#: Seconds between two lines: on a terminal, where each replaces the last, and in a log.
_TERMINAL, _LOG = 1.0, 30.0


class Progress:
    """Tells from time to time how many records of the whole job are done.

    Args:
        total: records of the job, None when nobody knows.
        finished: counts the records in finished shards, whichever process made them.
        out: where to; None for a process that says nothing.
    """

    def __init__(self, total: int | None, finished: Callable[[], int], out: TextIO | None = sys.stderr) -> None:
        self._total = total
        self._finished = finished
        self._out = out
        self._live = out is not None and out.isatty()
        self._under_way = 0
        self._pause = _TERMINAL if self._live else _LOG
        self._began = time.monotonic()
        self._next = self._began + self._pause
        self._before = finished() if out is not None else 0

    def step(self, records: int = 1) -> None:
        """So many more records of the shard under way have been read."""
        self._under_way += records
        if self._out is None or (now := time.monotonic()) < self._next:
            return
        self._next = now + self._pause
        line = progress_line(self._finished() + self._under_way, self._before, self._total, now - self._began)
        print(f"\r\x1b[K{line}" if self._live else line, end="" if self._live else "\n", file=self._out, flush=True)

    def shard_finished(self) -> None:
        """The shard under way is now among the finished ones."""
        self._under_way = 0

    def close(self) -> None:
        if self._live:
            print(file=self._out)


def progress_line(done: int, before: int, total: int | None, seconds: float) -> str:
    """What is said.

    Args:
        done: records done in all.
        before: those of them that were done when this run began.
        total: records there are, None when nobody knows.
        seconds: since this run began.
    """
    rate = (done - before) / seconds if seconds > 0 else 0.0
    if total is None:
        return f"annotated {done:,} records, {rate:,.0f} a second"
    share = f"annotated {done:,} of {total:,} records ({done / total if total else 1:.0%}), {rate:,.0f} a second"
    return f"{share}, {_duration((total - done) / rate)} left" if rate > 0 else share


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{max(0, round(seconds))} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
