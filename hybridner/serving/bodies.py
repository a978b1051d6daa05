"""Bodies of requests, received in bounds."""

from __future__ import annotations

import asyncio

from starlette.requests import Request

from hybridner.serving.batching import TooSlowError
from hybridner.serving.limits import TooLargeError


async def receive_body(request: Request, max_bytes: int, seconds: float) -> bytes:
    """The body of a request.

    Raises:
        TooLargeError: it has more than `max_bytes`; the rest is not received.
        TooSlowError: it takes more than `seconds` to come.
        ClientDisconnect: whoever sent it has gone.
    """
    try:
        return await asyncio.wait_for(_receive(request, max_bytes), seconds)
    except TimeoutError:
        raise TooSlowError(f"the body of the request did not come within {seconds:g} seconds") from None


async def _receive(request: Request, max_bytes: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise TooLargeError(f"a body of {announced} bytes; at most {max_bytes} are read, so send several requests")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise TooLargeError(f"a body of more than {max_bytes} bytes; send several requests")
    return bytes(body)


async def wait_until_gone(request: Request) -> None:
    """Return when the client has closed the connection. To be awaited once the body has been received."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
