"""A warning for operators whose page is reached through a proxy, but was not started as a public one."""

from __future__ import annotations

import logging

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

_LOGGER = logging.getLogger(__name__)
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip")


class ProxyWarning:
    """ASGI middleware that warns once, at the first request with a header that only proxies send.

    Args:
        app: what answers the requests.
        is_public: whether the page was started as a public one; then there is nothing to warn of.
    """

    def __init__(self, app: ASGIApp, is_public: bool) -> None:
        self._app = app
        self._is_settled = is_public

    @classmethod
    def as_middleware(cls, *, is_public: bool) -> Middleware:
        return Middleware(cls, is_public=is_public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_settled and (names := [name for name, _ in scope.get("headers", ()) if name in _FORWARDED]):
            self._is_settled = True
            _LOGGER.warning(
                "a request has come through a proxy (header %s), so others than you may reach this page and let it send requests "
                "to any address of this network; start it with --public to allow well-known LLM servers only",
                names[0].decode(),
            )
        await self._app(scope, receive, send)
