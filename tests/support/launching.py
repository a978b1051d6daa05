"""Several processes of one job on the CPU, as a launcher starts them, without the time that a launcher takes to start itself.

That `accelerate launch` makes the same of them is tested in tests/test_launch.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from tests.support.page import free_port


def run_together(*arguments: str, environment: Mapping[str, str], count: int = 2) -> tuple[str, str]:
    """What so many processes of `python ARGUMENTS` that know of each other write to standard output and standard error.

    Raises:
        AssertionError: one of them failed.
    """
    together = {
        **environment,
        "ACCELERATE_USE_CPU": "true",
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **together, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    written = [process.communicate() for process in processes]
    assert all(process.returncode == 0 for process in processes), "\n".join(error[-2000:] for _, error in written)
    return "".join(output for output, _ in written), "".join(error for _, error in written)
