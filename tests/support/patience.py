"""Waiting for what has to come, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

#: Seconds after which a test gives up. No test may rest on something happening sooner: this only ends one that hangs.
PATIENCE = 600.0


def wait_until(condition: Callable[[], Any], problem: Callable[[], str] = lambda: "waited in vain") -> None:
    """Wait for something that happens in another thread or process.

    Raises:
        AssertionError: it does not happen; with the problem as it then is.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, problem()
        time.sleep(0.01)
