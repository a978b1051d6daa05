"""Fixtures for the LLM stage: scripted servers that stop after each test, and no keys or proxies from outside."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

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
def labels() -> LabelSet:
    return LabelSet((Label("LOC", "地名", "Places."), Label("PER", "人名"), Label("ORG", "机构")), "news")


@pytest.fixture
def refused() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
