"""Operators learn that others reach their page through a proxy."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("starlette", reason="gradio is not installed")
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from hybridner.space.proxy_warning import ProxyWarning


def client(*, is_public: bool) -> TestClient:
    routes = [Route("/", lambda request: PlainTextResponse("fine"))]
    return TestClient(Starlette(routes=routes, middleware=[ProxyWarning.as_middleware(is_public=is_public)]))


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Those of the middleware alone: whatever else is at work in this process may log too."""
    return [record for record in caplog.records if record.name == ProxyWarning.__module__]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_forwarded_request_is_warned_of_once(caplog: pytest.LogCaptureFixture, header: str) -> None:
    with caplog.at_level(logging.WARNING), client(is_public=False) as visitor:
        assert visitor.get("/").text == "fine"
        assert not warnings_of(caplog)
        for _ in range(3):
            assert visitor.get("/", headers={header: "203.0.113.9"}).text == "fine"
    (record,) = warnings_of(caplog)
    assert "--public" in record.getMessage()
    assert header.lower() in record.getMessage()


def test_a_public_page_expects_forwarded_requests(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), client(is_public=True) as visitor:
        assert visitor.get("/", headers={"X-Forwarded-For": "203.0.113.9"}).text == "fine"
    assert not warnings_of(caplog)
