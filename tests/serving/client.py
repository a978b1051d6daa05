"""A real service in a process of its own, and what its tests need of it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.support.forked import Forked
from tests.support.patience import PATIENCE, wait_until


class RunningService:
    """`hybridner serve` with these arguments, on a free port."""

    def __init__(self, *arguments: str) -> None:
        self.process = Forked("-m", "hybridner", "serve", *arguments, "--port", "0", "--threads", "2")
        wait_until(lambda: "startup complete" in self.log or self.process.poll() is not None, lambda: "no word of the service")
        assert self.process.poll() is None, self.log
        self.port = int(next(event["port"] for event in self.events() if event["event"] == "listening"))

    @property
    def log(self) -> str:
        """All that it has written so far."""
        return self.process.stderr

    def events(self) -> list[dict[str, Any]]:
        """The log; every line of it is an object."""
        return [json.loads(line) for line in self.log.splitlines(keepends=True) if line.endswith("\n")]

    def ask(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers (in lower case) of an answer; a body that is no bytes is sent as JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                status, content, found = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, content, found = error.code, error.read(), error.headers
        names = {name.lower(): value for name, value in found.items()}
        return status, json.loads(content) if "json" in names.get("content-type", "") else content.decode(errors="replace"), names

    def stop(self) -> int:
        """Its exit status after SIGTERM."""
        self.process.terminate()
        return self.process.wait().returncode
