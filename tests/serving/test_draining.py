"""Who keeps a connection to a service that stops loses no request."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hybridner.serving.draining import DrainingServer
from tests.support.patience import PATIENCE, wait_until


@contextmanager
def running(seconds: float) -> Iterator[tuple[DrainingServer, threading.Thread, int]]:
    """A server that waits so long for its clients to leave, its thread and its port."""

    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse((await request.body()).decode())

    application = Starlette(routes=[Route("/", answer, methods=["POST"])])
    server = DrainingServer(uvicorn.Config(application, log_config=None), seconds)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield server, thread, listening.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True
            thread.join(PATIENCE)


def ask(client: http.client.HTTPConnection, text: str) -> http.client.HTTPResponse:
    client.request("POST", "/", text)
    answer = client.getresponse()
    assert answer.status == 200
    assert answer.read().decode() == text
    return answer


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return True
    return False


def test_a_request_on_a_kept_connection_is_answered_and_then_all_leave() -> None:
    with running(PATIENCE) as (server, thread, port):
        clients = [http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE) for _ in range(3)]
        for client in clients:
            assert ask(client, "before").getheader("Connection") is None
        server.should_exit = True
        wait_until(lambda: is_refused(port))
        for client in clients:
            assert ask(client, "after").getheader("Connection") == "close"
        # All have left, so nobody is waited for.
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_who_sends_nothing_is_left() -> None:
    with running(0.05) as (server, thread, port):
        idle = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        ask(idle, "before")
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()
        idle.close()
