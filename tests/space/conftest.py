"""The page in a process of its own, and a browser for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.space import Analyzer, Limits
from tests.llm.scripted_server import Reply, ScriptedServer, chat
from tests.support.page import ROOT, free_port, quiet_environment, wait_for


@pytest.fixture(scope="session")
def analyzer(composite: HybridNerModel) -> Analyzer:
    return Analyzer(HybridNerPipeline(composite, device="cpu"), Limits(characters=200, llm_calls=1_000))


@pytest.fixture(scope="session")
def space(composite_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of `space/app.py` as it runs, and the file that holds what it prints."""
    pytest.importorskip("gradio", reason="gradio is not installed")
    port = free_port()
    log = tmp_path_factory.mktemp("space") / "log.txt"
    environment = quiet_environment(HYBRIDNER_MODEL=str(composite_folder), GRADIO_SERVER_PORT=str(port))
    environment.pop("GRADIO_SERVER_NAME", None)
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "space" / "app.py")],
            env=environment,
            cwd=log.parent,
            stdout=output,
            stderr=output,
            text=True,
        )
        try:
            url = f"http://127.0.0.1:{port}/"
            wait_for(url, process)
            yield url, log
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def answers() -> list[Reply]:
    """What the LLM says: always the one reply in here."""
    return [chat("State")]


@pytest.fixture
def llm_server(answers: list[Reply]) -> Iterator[ScriptedServer]:
    running = ScriptedServer(lambda body, number: answers[0])
    yield running
    running.stop()
