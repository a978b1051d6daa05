"""The page in a process of its own, and a browser for it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.space import Analyzer, Limits
from tests.llm.scripted_server import Reply, ScriptedServer, chat
from tests.support.browser import browser
from tests.support.page import ROOT, quiet_environment, wait_for
from tests.support.ports import own_port
from tests.support.tiny import TEXT
from tests.support.visitor import Visitor

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

__all__ = ["browser"]

#: The first example of the page's first model.
EXAMPLE = "北约在叙利亚部署了干扰机，北约随后撤走了它。"


@pytest.fixture(scope="session")
def analyzer(composite: HybridNerModel) -> Analyzer:
    return Analyzer(HybridNerPipeline(composite, device="cpu"), Limits(characters=200, llm_calls=1_000))


@pytest.fixture(scope="session")
def model_folder(composite_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The composite with a card that has examples."""
    folder = tmp_path_factory.mktemp("models") / "composite"
    shutil.copytree(composite_folder, folder)
    card = f"---\nwidget:\n- text: {EXAMPLE}\n- text: 乌克兰的无人机失去了信号。\n---\n# The card of the model\n"
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def kept_reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the running page keeps reviews of queues."""
    return tmp_path_factory.mktemp("kept") / "reviews"


@pytest.fixture(scope="session")
def space(
    model_folder: Path, composite_folder: Path, kept_reviews: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The address of a page with two models as it runs, and the file that holds what it prints."""
    pytest.importorskip("gradio", reason="gradio is not installed")
    port = own_port()
    log = tmp_path_factory.mktemp("space") / "log.txt"
    options = ("--port", str(port), "--save", str(kept_reviews), "--device", "cpu")
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hybridner", "space", str(model_folder), str(composite_folder), *options],
            env=quiet_environment(PYTHONPATH=str(ROOT)),
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
            process.kill()
            process.wait()


@pytest.fixture
def answers() -> list[Reply]:
    """What the LLM says: always the one reply in here."""
    return [chat("State")]


@pytest.fixture
def llm_server(answers: list[Reply]) -> Iterator[ScriptedServer]:
    def reply(body: dict[str, Any], number: int) -> Reply:
        spans = re.findall(r"^(\d+)\. “", body["messages"][-1]["content"], re.MULTILINE)
        several = chat("\n".join(f"{span}: State" for span in spans))
        return several if spans and answers[0].status == 200 else answers[0]

    running = ScriptedServer(reply)
    yield running
    running.stop()


@pytest.fixture
def visitor(browser: Chrome, space: tuple[str, Path]) -> Iterator[Visitor]:
    """A visitor who has just opened the page; afterwards nothing may have gone wrong behind the scenes."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    someone = Visitor(browser, space[0])
    someone.open()
    yield someone
    assert someone.seen + someone.complaints() == []
    assert someone.hosts() == {space[0].split("/")[2]}
    assert "Traceback" not in space[1].read_text(encoding="utf-8")
    someone.run("localStorage.clear()")


@pytest.fixture(scope="module")
def entities(composite: HybridNerModel) -> list[dict[str, Any]]:
    return list(HybridNerPipeline(composite, device="cpu")(TEXT))
