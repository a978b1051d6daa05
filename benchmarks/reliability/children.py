"""Work in forked children that are killed; all that takes long has been loaded before."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable


def run_child(work: Callable[[], object], kill_after: float | None = None) -> bool:
    """Do the work in a child process.

    Args:
        work: what to do; what it prints goes nowhere.
        kill_after: seconds after which the child is killed in the middle of whatever it does.

    Returns:
        whether it ended by itself and well.
    """
    child = os.fork()
    if not child:
        status = 1
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            work()
            status = 0
        finally:
            os._exit(status)
    deadline = None if kill_after is None else time.monotonic() + kill_after
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(0.005)
