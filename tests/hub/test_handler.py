"""The pushed folder answers requests as Hugging Face Inference Endpoints put them: it is the current path, and has handler.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybridner import HybridNerModel, HybridNerPipeline
from tests.hub.client import Client
from tests.hub.hub_server import WRITE, HubServer
from tests.support.forked import run
from tests.support.near import assert_same
from tests.support.tiny import TEXT

#: What an endpoint does with a repository: import its handler, make one with the folder, and hand it the body of each request.
ENDPOINT = """
import importlib.util, json, sys
folder = sys.argv[1]
spec = importlib.util.spec_from_file_location("handler", folder + "/handler.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
handler = module.EndpointHandler(path=folder)
for request in json.loads(sys.argv[2]):
    print(json.dumps(handler(request)))
"""


@pytest.fixture(scope="module")
def pushed_folder(server: HubServer, client: Client, composite_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    code = "from hybridner.hub import push_model\npush_model(folder, 'me/endpoint', token=token)"
    client.run(code, folder=str(composite_folder), token=WRITE)
    folder = tmp_path_factory.mktemp("endpoint")
    for name, content in server.files("me/endpoint").items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def ask(pushed_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Any]]:
    def ask(*requests: Any) -> list[Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path_factory.mktemp("elsewhere"))
            answer = run("-c", ENDPOINT, str(pushed_folder), json.dumps(requests))
        assert answer.returncode == 0, answer.stderr
        return [json.loads(line) for line in answer.stdout.splitlines()]

    return ask


def test_requests_are_answered_as_the_pipeline_answers(ask: Callable[..., list[Any]], composite: HybridNerModel) -> None:
    pipe = HybridNerPipeline(composite, device="cpu")
    strict = {"threshold": 0.01, "decoding": "nested", "strategy": "majority", "simplify": False}
    answers = ask(
        {"inputs": TEXT},
        {"inputs": [TEXT, "", TEXT[:20]], "parameters": {}},
        {"inputs": TEXT, "parameters": strict},
        {"inputs": [], "parameters": None},
    )
    assert_same(answers, [pipe(TEXT), pipe([TEXT, "", TEXT[:20]]), pipe(TEXT, **strict), []])
    assert answers[0]
    assert answers[0] != answers[2]


def test_a_request_that_cannot_be_answered_is_told_why(ask: Callable[..., list[Any]]) -> None:
    wrong: dict[str, Any] = {
        '"inputs"': {},
        "an object": "text",
        "not int": {"inputs": 3},
        "not NoneType": {"inputs": None},
        "item 1 is dict": {"inputs": ["a", {"text": "b"}]},
        "parameters: expected a mapping, got ['threshold']": {"inputs": "a", "parameters": ["threshold"]},
        "parameters.treshold: unknown key; did you mean 'threshold'?": {"inputs": "a", "parameters": {"treshold": 0.3}},
        "parameters.llm_cache: unknown key": {"inputs": "a", "parameters": {"llm_cache": "/etc/passwd"}},
        "parameters.llm: expected true or false": {"inputs": "a", "parameters": {"llm": {"base_url": "http://127.0.0.1:1/"}}},
        "parameters.llm: no LLM stands behind": {"inputs": "a", "parameters": {"llm": True}},
        "parameters.threshold: expected a number": {"inputs": "a", "parameters": {"threshold": "high"}},
        "parameters.decoding: expected 'flat' or 'nested'": {"inputs": "a", "parameters": {"decoding": "upwards"}},
        "options: unknown key": {"inputs": "a", "options": {}},
    }
    answers = ask(*wrong.values(), {"inputs": "北约"})
    for message, answer in zip(wrong, answers[:-1], strict=True):
        assert answer.keys() == {"error"}
        assert message in answer["error"]
    # And the next request is answered.
    assert isinstance(answers[-1], list)


def test_the_endpoint_is_told_what_to_install(pushed_folder: Path) -> None:
    assert (pushed_folder / "requirements.txt").read_text() == "hybridner\n"
