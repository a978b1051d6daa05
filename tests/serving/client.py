"""A real service in a process of its own, and what its tests need of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


class RunningService:
    """`hybridner serve` with these arguments, on a free port."""

    def __init__(self, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "hybridner", "serve", *arguments, "--port", "0", "--threads", "2"]
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self._is_up = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._is_up.wait(120), "no word of the service"
        assert self.process.poll() is None, "".join(self.lines)
        self.port = int(next(event["port"] for event in self.events() if event["event"] == "listening"))

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if "startup complete" in line:
                self._is_up.set()
        self._is_up.set()

    def events(self) -> list[dict[str, Any]]:
        """The log; every line of it is an object."""
        return [json.loads(line) for line in list(self.lines)]

    def ask(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers (in lower case) of an answer; a body that is no bytes is sent as JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, content, found = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, content, found = error.code, error.read(), error.headers
        names = {name.lower(): value for name, value in found.items()}
        return status, json.loads(content) if "json" in names.get("content-type", "") else content.decode(errors="replace"), names

    def stop(self) -> int:
        """Its exit status after SIGTERM."""
        self.process.terminate()
        code = self.process.wait(60)
        self._reader.join()
        return code
