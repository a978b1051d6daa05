"""A Hub on loopback, and a user of it in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.client import Client
from tests.hub.hub_server import HubServer


@pytest.fixture(scope="session")
def running() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server
        server.shutdown()
        assert not server.faults


@pytest.fixture(scope="module")
def server(running: HubServer) -> HubServer:
    """A Hub with nothing on it."""
    running.clear()
    return running


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings and the cache of the user of these tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def client(running: HubServer, home: Path) -> Iterator[Client]:
    """A process with hybridner imported and no token of its own."""
    with Client(running.url, home) as client:
        client.run("import hybridner")
        yield client


@pytest.fixture
def impatient(client: Client) -> Iterator[None]:
    """The client tries a broken upload again and again; here it does not wait in between."""
    client.run("import time\nsleep, time.sleep = time.sleep, lambda seconds: None")
    yield
    client.run("time.sleep = sleep")
