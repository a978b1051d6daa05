"""What is kept of every request: a line in the log, figures in the metrics, an id in the answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hybridner.serving.logs import LOGGER, request_id
from hybridner.serving.metrics import Metrics

_ID = "X-Request-ID"


class RequestLog:
    """ASGI middleware that logs and counts requests. Of an address it keeps the route, never what a client wrote into it.

    Args:
        app: what answers.
        metrics: gives the figures to count in.
    """

    def __init__(self, app: ASGIApp, metrics: Callable[[], Metrics]) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500
        identity = request_id(Headers(scope=scope).get(_ID))

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[_ID] = identity
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", None) or "other"
            self._metrics().count_request(route, status, seconds)
            facts: dict[str, Any] = scope.get("state", {}).get("log", {})
            LOGGER.info(
                "request",
                extra={
                    "request_id": identity,
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "milliseconds": round(1_000 * seconds, 1),
                    **facts,
                },
            )
