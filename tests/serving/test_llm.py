"""`hybridner serve --llm`: a real service and a real LLM server, both asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.cli.main import main
from hybridner.ensemble import FixedThreshold
from hybridner.hybrid.verification import LlmOptions, open_verification
from hybridner.llm import OpenAIVerifier, VerifiedCandidate
from hybridner.serving.app import create_app
from hybridner.serving.verification import RequestVerifier
from tests.llm.scripted_server import KEY, Reply, ScriptedServer, chat, problem
from tests.serving.client import RunningService
from tests.serving.test_service import figure
from tests.support.near import assert_same
from tests.support.patience import PATIENCE, wait_until
from tests.support.tiny import TEXT

TEXTS = [TEXT, TEXT[6:30], ""]
SETTINGS = {"fusion": "replace", "kinds": ["entity"], "spans_per_call": 1}
WAITING = 8


@pytest.fixture(scope="module")
def answers() -> list[Reply]:
    """What the LLM says: always the one reply in here."""
    return [chat("State")]


@pytest.fixture(scope="module")
def may_answer() -> threading.Event:
    """While it is not set, the LLM thinks."""
    event = threading.Event()
    event.set()
    return event


@pytest.fixture(scope="module")
def llm(answers: list[Reply], may_answer: threading.Event) -> Iterator[ScriptedServer]:
    def reply(body: dict[str, Any], number: int) -> Reply:
        may_answer.wait(PATIENCE)
        return answers[0]

    running = ScriptedServer(reply)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def service(composite_folder: Path, llm: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("llm")
    verifier = {"model": "some-model", "base_url": llm.url, "max_retries": 0, "timeout": PATIENCE}
    (folder / "llm.yaml").write_text(yaml.safe_dump({"verifier": verifier, "settings": SETTINGS}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        running = RunningService(
            str(composite_folder), "--llm", str(folder / "llm.yaml"), "--timeout", str(PATIENCE), "--waiting", str(WAITING)
        )
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture(autouse=True)
def _as_at_first(answers: list[Reply], may_answer: threading.Event) -> Iterator[None]:
    yield
    answers[0] = chat("State")
    may_answer.set()


@pytest.fixture(scope="module")
def pipe(composite: HybridNerModel) -> HybridNerPipeline:
    return HybridNerPipeline(composite, device="cpu")


def ask(service: RunningService, inputs: object, **parameters: Any) -> Any:
    status, answer, _ = service.ask("/predict", {"inputs": inputs, "parameters": parameters})
    assert status == 200, answer
    return answer


def spans(rows: list[list[dict[str, Any]]]) -> list[list[tuple[int, int, str]]]:
    return [[(e["start"], e["end"], e["entity_group"]) for e in row] for row in rows]


def unstated(rows: Any) -> Any:
    """Whether an answer was asked for or came from another question alike is a matter of order."""
    return [[{**e, "llm_status": e["llm_status"].replace("cached", "asked")} for e in row] for row in rows]


@pytest.mark.parametrize(
    "parameters",
    [{"threshold": 0.6}, {"threshold": 0.0, "decoding": "nested"}, {"threshold": 0.3, "forbid": {"State": ["北约"]}}],
)
def test_a_request_is_answered_as_the_pipeline_answers_with_this_llm(
    service: RunningService, pipe: HybridNerPipeline, llm: ScriptedServer, parameters: dict[str, Any]
) -> None:
    asked = {"model": "some-model", "base_url": llm.url, "api_key": KEY, "max_retries": 0}
    expected = pipe(TEXTS, llm=asked, llm_settings=SETTINGS, **parameters)
    found = ask(service, TEXTS, **parameters)
    assert_same(unstated(found), unstated(expected))
    verified = [entity for row in found for entity in row if entity["llm_label"] is not None]
    assert verified
    assert {(e["source"], e["llm_model"], e["needs_review"]) for e in verified} == {("llm", "served-model-v2", False)}


def test_a_request_may_do_without_it(service: RunningService, pipe: HybridNerPipeline, llm: ScriptedServer) -> None:
    before = len(llm.requests)
    assert_same(ask(service, TEXTS, threshold=0.3, llm=False), pipe(TEXTS, threshold=0.3))
    status, answer, _ = service.ask("/predict", {"inputs": TEXTS, "parameters": {"min_precision": 0.9}})
    assert (status, 'ask with "llm": false' in answer["error"]) == (422, True), answer
    assert len(llm.requests) == before
    assert spans(ask(service, TEXTS, threshold=0.3, llm=True)) == spans(ask(service, TEXTS, threshold=0.3))


@pytest.mark.parametrize("reply", [problem(500), problem(401), Reply(how="drop"), chat("香蕉")])
def test_an_llm_that_fails_costs_no_entity(
    service: RunningService, pipe: HybridNerPipeline, answers: list[Reply], reply: Reply
) -> None:
    answers[0] = reply
    # Nothing that was answered before.
    texts = [f"{reply.status}{reply.how}{len(reply.body)}{text}" for text in TEXTS]
    local, found = pipe(texts, threshold=0.6), ask(service, texts, threshold=0.6)
    assert spans(found) == spans(local)
    doubtful = [entity for row in found for entity in row if entity["uncertainty"] > 0.6]
    assert doubtful
    assert all(entity["llm_error"] and entity["needs_review"] and entity["source"] == "local" for entity in doubtful)
    assert KEY not in json.dumps(found) + service.log
    assert service.ask("/ready")[0] == 200


def test_who_waits_for_the_llm_holds_nobody_up(
    service: RunningService, pipe: HybridNerPipeline, may_answer: threading.Event, llm: ScriptedServer
) -> None:
    may_answer.clear()
    many = [TEXT.replace("2023", "2024")] * (WAITING - 1)
    before = figure(service, "hybridner_llm_skipped_texts_total")
    asked = len(llm.requests)
    with ThreadPoolExecutor(1) as clients:
        waiting = clients.submit(ask, service, many, threshold=0.6)
        wait_until(lambda: len(llm.requests) > asked)
        assert figure(service, "hybridner_llm_waiting_texts") == len(many)
        assert_same(ask(service, TEXT, llm=False), pipe(TEXT))
        # No more may wait for it, so these are not asked about.
        assert_same(ask(service, many, threshold=0.6), pipe(many, threshold=0.6))
        assert not waiting.done()
        may_answer.set()
        assert all(entity["llm_label"] == "State" for row in waiting.result() for entity in row if entity["uncertainty"] > 0.6)
    assert figure(service, "hybridner_llm_skipped_texts_total") == before + len(many)
    assert figure(service, "hybridner_llm_waiting_texts") == 0


def test_an_llm_that_is_too_slow_for_the_request_costs_no_entity(
    composite: HybridNerModel, llm: ScriptedServer, may_answer: threading.Event
) -> None:
    may_answer.clear()
    client = OpenAIVerifier("some-model", llm.url, KEY)
    predictions = composite.predict(TEXTS)

    async def verify() -> list[list[VerifiedCandidate]] | None:
        verifier = RequestVerifier(verification, max_waiting=WAITING)
        try:
            return await verifier.verify(predictions, FixedThreshold(0.6), "flat", seconds=0.2)
        finally:
            verifier.close()

    with open_verification(composite, LlmOptions(client, {**SETTINGS, "time_limit": None})) as verification:
        rows = asyncio.run(verify())
    may_answer.set()
    assert rows is not None
    for prediction, row in zip(predictions, rows, strict=True):
        assert [item.candidate for item in row if item.candidate.is_entity] == list(prediction.entities)
    late = [item.provenance for row in rows for item in row if item.provenance.status != "local"]
    assert late
    assert all(known.needs_review and "time limit of" in str(known.llm_error) for known in late)


def test_who_wants_to_fail_with_the_llm_gets_a_status_of_its_own(composite: HybridNerModel) -> None:
    options = LlmOptions(OpenAIVerifier("m", "http://127.0.0.1:9/v1", KEY, max_retries=0), {"on_llm_error": "raise"})
    with (
        open_verification(composite, options) as verification,
        TestClient(create_app(composite, "m", None, verification)) as client,
    ):
        answer = client.post("/predict", json={"inputs": TEXT, "parameters": {"threshold": 0.3}})
        assert answer.status_code == 502
        assert "no connection" in answer.json()["error"]
        assert client.get("/ready").status_code == 200


def test_it_says_who_is_asked_and_how_much(service: RunningService, llm: ScriptedServer) -> None:
    assert service.ask("/ready")[:2] == (200, {"status": "ready", "llm": "some-model"})
    assert service.ask("/model")[1]["llm"] == {"model": "some-model", "stage": "verify", "fusion": "replace"}
    names = ("spans", "calls", "cached", "attempts", "prompt_tokens", "completion_tokens", "failed")
    before, sent = [figure(service, f"hybridner_llm_{name}_total") for name in names], len(llm.requests)
    found = ask(service, TEXT, threshold=0.6)
    spans_, calls, cached, attempts, prompt, written, failed = (
        figure(service, f"hybridner_llm_{name}_total") - old for name, old in zip(names, before, strict=True)
    )
    assert spans_ == sum(entity["llm_status"] != "local" for entity in found) > 0
    assert calls + cached == spans_
    assert (attempts, prompt, written, failed) == (calls, 100 * calls, 3 * calls, 0)
    assert calls == len(llm.requests) - sent


def test_what_cannot_be_set_up_is_told_before_anything_is_served(
    composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described = tmp_path / "llm.yaml"
    for content, reason in (
        ({"settings": {}}, "expected `verifier`"),
        ({"verifier": "m", "settings": {"fusoin": "bayes"}}, "fusoin"),
        ({"verifier": "m", "settings": {"template": "nowhere.txt"}}, "nowhere.txt"),
        ({"verifier": "m", "examples": "nowhere.parquet"}, "nowhere.parquet"),
    ):
        described.write_text(yaml.safe_dump(content))
        assert main(["serve", str(composite_folder), "--port", "0", "--llm", str(described)]) == 1
        assert reason in capsys.readouterr().err
    assert main(["serve", str(composite_folder), "--port", "0", "--llm-cache", "a.sqlite"]) == 1
    assert "--llm" in capsys.readouterr().err
