"""A stop that loses no request of those who are connected."""

from __future__ import annotations

import asyncio
import socket

import uvicorn


class DrainingServer(uvicorn.Server):
    """A server that, told to stop, takes no new connections and answers for a moment longer what comes through those it has.

    Whoever keeps a connection may be sending the next request while it is closed, and would never hear of it. Each answer now
    asks the client to leave; who sends nothing meanwhile is left.

    Args:
        config: as uvicorn takes it.
        seconds: how long it waits for clients to leave; less where all have.
    """

    def __init__(self, config: uvicorn.Config, seconds: float = 1.0) -> None:
        super().__init__(config)
        self._seconds = seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        while self.server_state.connections and loop.time() < end and not self.force_exit:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)
