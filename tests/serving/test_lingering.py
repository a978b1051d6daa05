"""Who is refused while still sending can read why; who sends without end is left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from hybridner.serving.lingering import LingeringClose
from tests.serving.client import RunningService
from tests.support.late import answered_while_sending

MANY = b" " * 300_000


@pytest.fixture(scope="module")
def service(composite_folder: Path) -> Iterator[RunningService]:
    running = RunningService(str(composite_folder), "--characters", "4000")
    yield running
    running.process.kill()


@pytest.mark.parametrize(
    ("path", "first", "status", "key"),
    [("/predict", b"", 413, "error"), ("/nowhere", b"{", 404, "detail"), ("/health", b"", 405, "detail")],
)
def test_who_is_still_sending_can_read_the_answer(
    service: RunningService, path: str, first: bytes, status: int, key: str
) -> None:
    answered, content = answered_while_sending(service.port, path, first, MANY, "application/json")
    assert answered == status
    assert content[key]


def received_after_the_answer(part: bytes | None, seconds: float) -> int:
    """Bytes that are received of a request without end; without a part nothing comes at all."""
    received, sent = 0, []

    async def receive() -> dict[str, Any]:
        nonlocal received
        if part is None:
            await asyncio.Event().wait()
        received += len(part or b"")
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    app = LingeringClose(PlainTextResponse("no"), max_bytes=1_000, seconds=seconds)
    asyncio.run(app({"type": "http"}, receive, send))
    assert b"".join(message.get("body", b"") for message in sent) == b"no"
    assert [message.get("more_body", False) for message in sent] == [False, True, False]
    return received


def test_a_request_without_end_is_left() -> None:
    assert received_after_the_answer(b"x" * 300, 600.0) == 1_200
    assert received_after_the_answer(None, 0.01) == 0
