"""Several processes of one job on the CPU, as a launcher starts them, without the time that a launcher takes to start itself.

That `accelerate launch` makes the same of them is tested in tests/test_launch.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from tests.support.forked import Forked
from tests.support.ports import own_port


def run_together(*arguments: str, environment: Mapping[str, str], count: int = 2) -> tuple[str, str]:
    """What so many processes of `python ARGUMENTS` that know of each other write to standard output and standard error.

    Raises:
        AssertionError: one of them failed.
    """
    together = {
        **os.environ,
        **environment,
        "ACCELERATE_USE_CPU": "true",
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(own_port()),
    }
    processes = [
        Forked(*arguments, environment={**together, "RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(count)
    ]
    ended = [process.wait() for process in processes]
    assert all(one.returncode == 0 for one in ended), "\n".join(one.stderr[-2000:] for one in ended)
    return "".join(one.stdout for one in ended), "".join(one.stderr for one in ended)
