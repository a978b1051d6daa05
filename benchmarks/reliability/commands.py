"""Commands called in this process, and what may come of it: 0, or 1 and a message; never a traceback."""

from __future__ import annotations

import io
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from benchmarks.reliability.tally import Tally
from hybridner.cli.main import main


@dataclass(frozen=True)
class Ending:
    """How a call ended.

    Attributes:
        code: the exit status; None after an exception that nobody had caught.
        output: what was written to standard output.
        error: what was written to standard error, or the traceback.
        read: characters taken from standard input, which said yes to everything.
    """

    code: int | None
    output: str
    error: str
    read: int


def call(arguments: Sequence[str]) -> Ending:
    """One command."""
    output, error, answers = io.StringIO(), io.StringIO(), io.StringIO("y\n" * 100)
    with redirect_stdout(output), redirect_stderr(error), patch.object(sys, "stdin", answers), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            code: int | None = main(list(arguments))
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            return Ending(None, output.getvalue(), traceback.format_exc(), answers.tell())
    return Ending(code, output.getvalue(), error.getvalue(), answers.tell())


def check(tally: Tally, arguments: Sequence[str], what: str, *, may_work: bool = True, reads: bool = False) -> Ending:
    """Call a command and count what may not happen."""
    ending = call(arguments)
    tally.calls += 1
    name = f"{what}: {' '.join(arguments)}"
    if ending.code is None or "Traceback" in ending.error:
        tally.wrong("tracebacks", f"{name}: {ending.error}")
    elif ending.code == 0 and not may_work:
        tally.wrong("lost", f"{name}: went unnoticed")
    elif ending.code not in (0, 1, 2) or (ending.code == 1 and "hybridner: error: " not in ending.error):
        tally.wrong("tracebacks", f"{name}: exit status {ending.code}: {ending.error}")
    if ending.read and not reads:
        tally.wrong("executed", f"{name}: standard input was read")
    return ending


@contextmanager
def trap(place: Path) -> Iterator[Path]:
    """A path that hostile code makes when it is run; gone before and after."""
    with suppress(FileNotFoundError):
        place.unlink()
    yield place
    with suppress(FileNotFoundError):
        place.unlink()
