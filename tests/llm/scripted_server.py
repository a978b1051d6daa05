"""A scripted OpenAI-compatible server on loopback, and candidates to ask about."""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hybridner.ensemble import Candidate
from hybridner.llm import OpenAIVerifier
from tests.support.patience import PATIENCE

KEY = "hush-very-secret-0123456789"


@dataclass
class Reply:
    """What the server sends: a complete response, or one that is spoilt in the way `how` says."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    how: str = "whole"


def chat(content: str | None, finish: str = "stop", **extra: Any) -> Reply:
    message = {"role": "assistant", "content": content}
    whole = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "served-model-v2",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 3, "total_tokens": 103},
    }
    return Reply(json.dumps({**whole, **extra}).encode())


def problem(status: int, message: str = "no", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps({"error": {"message": message}}).encode(), status, {"Content-Type": "application/json", **named})


HTML = Reply(b"<html><body><h1>Bad gateway</h1></body></html>", 200, {"Content-Type": "text/html"})
HTML_502 = Reply(b"<html><body><h1>502 Bad gateway</h1></body></html>", 502, {"Content-Type": "text/html"})
BROKEN = Reply(b'{"choices": [{"message": {"content": "LO')
NOT_CHAT = Reply(b'{"ok": true}')
CUT = Reply(chat("LOC").body, how="cut")
DRIP = Reply(chat("LOC").body, how="drip")
HANG = Reply(how="hang")
DROP = Reply(how="drop")

Script = Callable[[dict[str, Any], int], Reply]


class ScriptedServer:
    """Answers each request as the script says, given the request's body and its number from 0; keeps what was asked."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.under_way = self.most_under_way = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle(self) -> None:
                with contextlib.suppress(ConnectionResetError):  # by a client that does not read to the end
                    super().handle()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner._lock:
                    number = len(owner.requests)
                    owner.requests.append(body)
                    owner.keys.append(self.headers.get("Authorization", ""))
                    owner.under_way += 1
                    owner.most_under_way = max(owner.most_under_way, owner.under_way)
                try:
                    self._send(owner.script(body, number))
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with owner._lock:
                        owner.under_way -= 1

            def _send(self, reply: Reply) -> None:
                if reply.how in ("hang", "drop"):
                    if reply.how == "hang":
                        owner.stopping.wait(PATIENCE)
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if reply.how == "cut":
                    self.wfile.write(reply.body[: len(reply.body) // 2])
                    self.close_connection = True
                elif reply.how == "drip":
                    for byte in reply.body:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        if owner.stopping.wait(0.05):
                            break
                    self.close_connection = True
                else:
                    self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self) -> list[str]:
        """The last user message of each request."""
        return [request["messages"][-1]["content"] for request in self.requests]


def verifier(server: ScriptedServer | str, **settings: Any) -> OpenAIVerifier:
    url = server if isinstance(server, str) else server.url
    return OpenAIVerifier("some-model", url, KEY, **{"timeout": PATIENCE, "max_retries": 2, **settings})


def candidate(
    start: int,
    end: int,
    label: str = "LOC",
    p: float = 0.6,
    *,
    u: float = 0.5,
    weight: float | None = None,
    chosen: bool | None = None,
    names: tuple[str, ...] = ("O", "LOC", "PER", "ORG"),
    votes: dict[str, str] | None = None,
) -> Candidate:
    """A candidate whose label has probability p, the rest spread evenly."""
    rest = (1 - p) / (len(names) - 1)
    distribution = tuple(p if name == label else rest for name in names)
    if chosen is None:
        chosen = label != "O"
    if weight is None:
        weight = 0.0 if label == "O" else math.log(p / distribution[0])
    return Candidate(start, end, label, chosen, distribution, weight, u, {"a": label} if votes is None else votes)
