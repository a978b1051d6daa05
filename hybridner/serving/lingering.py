"""Answers that come before their request is whole, closed so that whoever is still sending can read them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class LingeringClose:
    """ASGI middleware that receives and forgets what is left of a request once it has been answered, within bounds.

    A connection that is closed while the client sends is reset, and the client may never see why it was refused.

    Args:
        app: what answers.
        max_bytes: so many are received of what is left; then the connection is closed all the same.
        seconds: so long it is waited for.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self._app, self._max_bytes, self._seconds = app, max_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        whole = held = False

        async def receive_noting_the_end() -> Message:
            nonlocal whole
            message = await receive()
            whole = whole or _is_last(message)
            return message

        async def send_but_for_the_end(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.body" and not message.get("more_body") and not whole:
                message, held = {**message, "more_body": True}, True
            await send(message)

        await self._app(scope, receive_noting_the_end, send_but_for_the_end)
        if held:
            await self._forget_the_rest(receive)
            await send({"type": "http.response.body", "body": b""})

    async def _forget_the_rest(self, receive: Receive) -> None:
        received = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                while received <= self._max_bytes:
                    message = await receive()
                    received += len(message.get("body", b""))
                    if _is_last(message):
                        return


def _is_last(message: Message) -> bool:
    """Of a request: its end, or that the client has gone."""
    return message["type"] != "http.request" or not message.get("more_body")
