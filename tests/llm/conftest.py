"""Fixtures for the LLM stage: scripted servers that stop after each test, and no keys or proxies from outside."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator

import anyio
import openai  # noqa: F401  # its import takes a while, which time limits in the tests are not meant for
import pytest

from hybridner.spans import Label, LabelSet
from tests.llm.scripted_server import Reply, Script, ScriptedServer


@pytest.fixture
def serve() -> Iterator[Callable[[Script | list[Reply] | Reply], ScriptedServer]]:
    """Start a server from a script, a list of replies (the last one repeats) or one reply for all."""
    servers: list[ScriptedServer] = []

    def start(script: Script | list[Reply] | Reply) -> ScriptedServer:
        if isinstance(script, Reply):
            script = [script]
        if isinstance(script, list):
            replies = script
            script = lambda _, number: replies[min(number, len(replies) - 1)]  # noqa: E731
        servers.append(ScriptedServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off between tries is kept short; keys and addresses of the surroundings stay out."""
    monkeypatch.setattr("hybridner.llm.openai_verifier._FIRST_WAIT", 0.01)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def time_limits(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """Those that stages set from now on: one that is called strikes, and none by itself."""
    limits: list[Callable[[], object]] = []

    def set_limit(_: float | None) -> anyio.CancelScope:
        scope, loop = anyio.CancelScope(), asyncio.get_running_loop()
        limits.append(lambda: loop.call_soon_threadsafe(scope.cancel))
        return scope

    monkeypatch.setattr("hybridner.llm.background.anyio.move_on_after", set_limit)
    return limits


@pytest.fixture
def labels() -> LabelSet:
    return LabelSet((Label("LOC", "地名", "Places."), Label("PER", "人名"), Label("ORG", "机构")), "news")


@pytest.fixture
def refused() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as held:
        # Held so that nobody else is given it, and not listened at.
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"
