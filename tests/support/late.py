"""A client that is still sending when it is answered."""

from __future__ import annotations

import json
import socket
from typing import Any


def answered_while_sending(port: int, path: str, first: bytes, rest: bytes, content_type: str) -> tuple[int, Any]:
    """Status and content of the answer to a request of which only the first part has been sent.

    The rest is sent afterwards, on a connection that is to be closed then.

    Raises:
        OSError: it was closed before all had been sent.
    """
    length = len(first) + len(rest)
    about = {"Host": "a", "Content-Type": content_type, "Content-Length": length, "Connection": "close"}
    head = "".join(f"{line}\r\n" for line in (f"POST {path} HTTP/1.1", *(f"{name}: {about[name]}" for name in about), ""))
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as received:
        connection.sendall(head.encode() + first)
        status = int(received.readline().split()[1])
        headers = dict(line.decode().lower().rstrip().split(": ", 1) for line in iter(received.readline, b"\r\n"))
        content = received.read(int(headers["content-length"]))
        connection.sendall(rest)
        assert received.read() == b""
    return status, json.loads(content)
