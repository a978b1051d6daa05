"""The page as it runs: its programming interface, its entry, and what it says without a model."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")
from gradio_client import Client
from gradio_client.exceptions import AppError

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.cli.commands import space as command
from hybridner.cli.main import command_parser
from hybridner.errors import MissingPackageError, ModelError
from hybridner.space import PUBLIC_HOSTS, Limits
from hybridner.space.serving import MODEL_VARIABLE
from tests.support.forked import run
from tests.support.page import ROOT, quiet_environment
from tests.support.patience import PATIENCE
from tests.support.tiny import TEXT

Space = tuple[str, Path]


@pytest.fixture(scope="module")
def client(space: Space) -> Client:
    return Client(space[0], verbose=False, httpx_kwargs={"timeout": PATIENCE})


def plain(entity: dict[str, object]) -> dict[str, object]:
    """An entity without its numbers."""
    return {name: value for name, value in entity.items() if name not in ("score", "uncertainty")}


def test_the_endpoint_gives_what_the_pipeline_gives(client: Client, composite: HybridNerModel) -> None:
    pipe = HybridNerPipeline(composite, device="cpu")
    for settings in ({}, {"threshold": 0.2, "strategy": "majority", "decoding": "nested"}):
        entities, expected = client.predict(TEXT, api_name="/analyze", **settings), pipe(TEXT, **settings)
        assert [plain(entity) for entity in entities] == [plain(entity) for entity in expected]
        for entity, twin in zip(entities, expected, strict=True):
            # Another process may sum in another order.
            assert (entity["score"], entity["uncertainty"]) == pytest.approx((twin["score"], twin["uncertainty"]), abs=1e-5)


def test_the_endpoint_is_documented_and_the_only_one(client: Client) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert list(named) == ["/analyze"]
    names = [parameter["parameter_name"] for parameter in named["/analyze"]["parameters"]]
    assert names == ["text", "threshold", "strategy", "decoding", "model"]
    assert "local model" in named["/analyze"]["description"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((" ",), "Enter a text"),
        (("甲" * (Limits().characters + 1),), "limit is"),
        ((TEXT, 1.5), "threshold τ must be"),
        ((TEXT, 0.5, "guess"), "strategy must be one of"),
        ((TEXT, 0.5, "score", "guess"), "decoding must be one of"),
    ],
)
def test_wrong_calls_are_told_why(client: Client, arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(AppError, match=said):
        client.predict(*arguments, api_name="/analyze")


def test_many_at_once_all_get_their_own_answer(space: Space) -> None:
    """Each visitor has a client of its own: threads that share one of gradio's now and then cancel each other's requests."""

    def ask(text: str) -> list[dict[str, Any]]:
        return Client(space[0], verbose=False, httpx_kwargs={"timeout": PATIENCE}).predict(text, api_name="/analyze")

    texts = [TEXT[: 20 + number] for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(ask, texts))
    for text, entities in zip(texts, results, strict=True):
        assert all(text[e["start"] : e["end"]] == e["word"] for e in entities)
        assert max(e["end"] for e in entities) > 15


def test_without_gradio_the_entry_says_how_to_get_it() -> None:
    environment = quiet_environment()
    program = (
        "import runpy, sys; sys.modules['gradio'] = None\n"
        "import hybridner.space.result_data\n"
        f"runpy.run_path({str(ROOT / 'space' / 'app.py')!r}, run_name='__main__')"
    )
    done = run("-c", program, environment=environment)
    assert done.returncode == 1
    assert "hybridner[space]" in done.stderr
    assert "Traceback" not in done.stderr


def parsed(*arguments: str) -> argparse.Namespace:
    return command_parser("space").parse_args(arguments)


def test_the_command_takes_the_model_from_option_or_environment(composite_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradio import Blocks

    launched: list[dict[str, object]] = []
    monkeypatch.setattr(Blocks, "launch", lambda self, **settings: launched.append(settings))
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)
    assert command.run(parsed(str(composite_folder), "--host", "0.0.0.0", "--port", "1234", "--device", "cpu")) == 0
    monkeypatch.setenv(MODEL_VARIABLE, str(composite_folder))
    assert command.run(parsed("--device", "cpu")) == 0
    monkeypatch.delenv(MODEL_VARIABLE)
    assert command.run(parsed("--device", "cpu")) == 0, "the bundled model"
    assert [(one["server_name"], one["server_port"]) for one in launched] == [("0.0.0.0", 1234), *[("127.0.0.1", None)] * 2]
    # What the browser keeps of a run would hold the key of the LLM.
    assert all(one["run_history"] is False for one in launched)


def test_a_public_page_uses_public_llm_servers_only(composite_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradio import Blocks

    from hybridner.space import page

    hosts: list[object] = []
    monkeypatch.setattr(Blocks, "launch", lambda self, **settings: None)
    build = page.build
    monkeypatch.setattr(page, "build", lambda models, store: hosts.append(models.first.llm_hosts) or build(models, store))
    model = (str(composite_folder), "--device", "cpu")
    for arguments in ((), ("--public",), ("--public", "--llm-host", "llm.example.org"), ("--host", "0.0.0.0")):
        assert command.run(parsed(*model, *arguments)) == 0
    assert hosts == [None, PUBLIC_HOSTS, (*PUBLIC_HOSTS, "llm.example.org"), PUBLIC_HOSTS]
    with pytest.raises(ModelError, match=r"--llm-host 127\.0\.0\.1"):
        command.run(parsed(*model, "--public", "--llm-host", "127.0.0.1"))


def test_the_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json"):
        command.run(parsed(str(tmp_path)))
    monkeypatch.setitem(sys.modules, "gradio", None)
    for name in ("page", "handlers", "components"):
        monkeypatch.delitem(sys.modules, f"hybridner.space.{name}", raising=False)
    with pytest.raises(MissingPackageError, match=r"hybridner\[space\]"):
        command.run(parsed(str(tmp_path)))
