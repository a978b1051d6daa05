"""Ports for servers that cannot be told to take any free one and say which."""

from __future__ import annotations

import itertools
import os
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_numbers = itertools.count()


def own_port() -> int:
    """A port that stays free until it is listened at.

    One that the system names when it is asked for any could meanwhile be given to another process, or to a client. This one lies
    below those that the system gives, and each process of the tests has twenty of its own.
    """
    first = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else 32_768
    while True:
        port = max(first, 12_000) - 20 * (1 + os.getpid() % 500) + next(_numbers) % 20
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
