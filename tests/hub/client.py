"""A Python process of its own that runs pieces of code: huggingface_hub reads its settings when it is imported, once.

As a script: reads one JSON object per line, runs its "code" with its "values" and answers with what the code left in `result`,
or with the error it raised.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]


class RemoteError(Exception):
    """The code raised an error.

    Attributes:
        kind: name of its class.
        message: what it said.
    """

    def __init__(self, kind: str, message: str, trace: str) -> None:
        super().__init__(f"{kind}: {message}\n{trace}")
        self.kind, self.message = kind, message


class Client:
    """Runs code in a process whose Hub is the one at `endpoint`."""

    def __init__(self, endpoint: str, home: Path, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "TRANSFORMERS"))}
        settings = {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            # A slow machine is no server that has gone.
            "HF_HUB_ETAG_TIMEOUT": "600",
            "HF_HUB_DOWNLOAD_TIMEOUT": "600",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**kept, **settings, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=home,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def run(self, code: str, **values: Any) -> Any:
        """What `code` leaves in `result`; names it defines stay for the next call.

        Raises:
            RemoteError: it raised an error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"code": code, "values": values}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process ended with code {self._process.wait()}"
        answer = json.loads(line)
        if "kind" in answer:
            raise RemoteError(**answer)
        return answer["result"]


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the code prints by way of libraries is no answer
    names: dict[str, Any] = {}
    for line in sys.stdin:
        question = json.loads(line)
        names.update(question["values"], result=None)
        try:
            exec(question["code"], names)
            answer = {"result": names["result"]}
        except Exception as error:
            answer = {"kind": type(error).__name__, "message": str(error), "trace": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
