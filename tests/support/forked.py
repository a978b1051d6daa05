"""Processes of their own that need not import torch again: a server that has imported it forks them.

They can be killed and have their own environment, folder and output, as those that `subprocess` starts. What is read from the
environment while libraries are imported (HF_HUB_OFFLINE, HF_ENDPOINT) they take over from the tests.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from multiprocessing import forkserver
from pathlib import Path
from types import ModuleType

from tests.support.patience import PATIENCE

ROOT = Path(__file__).parents[2]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.preloaded"])


class Forked:
    """``python ARGUMENTS``, where these begin with ``-m MODULE`` or ``-c CODE``.

    Args:
        arguments: as Python takes them.
        environment: the whole of it; by default that of the tests.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        _start_server()
        written = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, written, ignore_errors=True)
        self._paths = [os.path.join(written, name) for name in ("out", "err")]
        for path in self._paths:
            Path(path).touch()
        settings = dict(os.environ if environment is None else environment)
        self._process = _CONTEXT.Process(target=_run, args=(arguments, settings, os.getcwd(), self._paths))
        self._process.start()

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.exitcode

    def kill(self) -> None:
        """At once, as by `kill -9`."""
        self._process.kill()
        self._process.join()

    def terminate(self) -> None:
        """Ask it to end, as by `kill`."""
        self._process.terminate()

    def wait(self) -> subprocess.CompletedProcess[str]:
        """What it has written, once it has ended.

        Raises:
            AssertionError: it does not end.
        """
        self._process.join(PATIENCE)
        assert self._process.exitcode is not None, f"it does not end; it has written {self.stderr[-2000:]}"
        return subprocess.CompletedProcess([], self._process.exitcode, self.stdout, self.stderr)

    @property
    def stdout(self) -> str:
        """What it has written so far."""
        return self._read(0)

    @property
    def stderr(self) -> str:
        """What it has written so far."""
        return self._read(1)

    def _read(self, stream: int) -> str:
        # It may be in the midst of a character.
        return Path(self._paths[stream]).read_text(encoding="utf-8", errors="replace")


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """What `Forked` writes and ends with."""
    return Forked(*arguments, environment=environment).wait()


#: Runs a module until it is about to write, or to give its name to, the nth file of a kind.
_UNTIL_WRITTEN = """
import os, re, runpy, signal, sys
kind, left, module = re.compile(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

def watch(event, arguments):
    global left
    is_written = event == "os.rename" or event == "open" and arguments[1] and set(arguments[1]) & set("wax+")
    if is_written and kind.search(os.fsdecode(arguments[event == "os.rename"])):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
sys.argv[:] = sys.argv[3:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def kill_before(written: str, nth: int, module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """Run ``python -m MODULE ARGUMENTS`` and kill it as by `kill -9`, always at the same place.

    Args:
        written: regular expression for paths of files.
        nth: it is killed when it is about to write, or to give its name to, the nth of these.
        module, arguments: the command.
        environment: the whole of it; by default that of the tests.
    """
    ended = run("-c", _UNTIL_WRITTEN, written, str(nth), module, *arguments, environment=environment)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def _start_server() -> None:
    """Where it can import the tests, whatever folder a test works in."""
    folder = os.getcwd()
    os.chdir(ROOT)
    try:
        forkserver.ensure_running()
    finally:
        os.chdir(folder)


def _run(arguments: tuple[str, ...], environment: dict[str, str], folder: str, paths: list[str]) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in enumerate(paths, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), stream)
    kind, program, *others = arguments
    sys.argv = [program if kind == "-m" else kind, *others]
    if kind == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        module = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(program, "<string>", "exec"), vars(module))
