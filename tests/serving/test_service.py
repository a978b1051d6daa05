"""`hybridner serve` as a process of its own, asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.cli.main import main
from hybridner.ensemble import SelectionTable
from hybridner.errors import InputError
from hybridner.serving import read_request
from hybridner.serving.limits import Limits
from hybridner.serving.service import Service
from tests.serving.client import RunningService
from tests.support.near import assert_same
from tests.support.patience import PATIENCE, wait_until
from tests.support.tiny import TEXT

LIMITS = ("--texts", "40", "--characters", "4000", "--timeout", str(PATIENCE))


@pytest.fixture(scope="module")
def service(composite_folder: Path) -> Iterator[RunningService]:
    running = RunningService(str(composite_folder), *LIMITS)
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture(scope="module")
def pipe(composite: HybridNerModel) -> HybridNerPipeline:
    return HybridNerPipeline(composite, device="cpu")


def test_one_text_and_many_are_answered_as_the_pipeline_answers(service: RunningService, pipe: HybridNerPipeline) -> None:
    strict = {"threshold": 0.01, "decoding": "nested", "strategy": "majority", "simplify": False}
    ruled = {"force": {"Place": ["克拉苏哈-4S"]}, "forbid": ["北约"]}
    many = [TEXT, "", TEXT * 5, "\ud800北约"]
    for inputs, parameters in ((TEXT, {}), (many[:3], {}), (TEXT, strict), ([TEXT], ruled), ([], None), ("", {})):
        status, answer, _ = service.ask("/predict", {"inputs": inputs, "parameters": parameters})
        assert status == 200
        assert_same(answer, pipe(inputs, **(parameters or {})))
    # Half of a character is read as U+FFFD, and hurts nobody.
    with pytest.warns(UserWarning, match="lone surrogates"):
        assert_same(service.ask("/predict", {"inputs": many})[1], pipe(many))


def test_many_clients_at_once_get_their_own_answers(service: RunningService, pipe: HybridNerPipeline) -> None:
    requests = [
        {"inputs": TEXT[number % 20 : 30 + number % 7], "parameters": {"decoding": ("flat", "nested")[number % 2]}}
        for number in range(60)
    ]
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda request: service.ask("/predict", request), requests))
    for request, (status, answer, _) in zip(requests, answers, strict=True):
        assert status == 200
        assert_same(answer, pipe(request["inputs"], **request["parameters"]))
    count = figure(service, "hybridner_batch_texts_count")
    assert figure(service, "hybridner_batch_texts_sum") > count


def test_a_promised_precision_is_that_of_the_pipeline(composite_folder: Path) -> None:
    model = HybridNerModel.from_pretrained(composite_folder)
    uncertainties = sorted(entity["uncertainty"] for entity in HybridNerPipeline(model, device="cpu")(TEXT))
    levels = (uncertainties[len(uncertainties) // 2], 1.0)
    table = SelectionTable(model.config.strategy, model.config.uncertainty, levels, kept=(200, 400), wrong=(2, 90))
    model.config.selection = table.to_dict()
    pipe = HybridNerPipeline(model, device="cpu")

    async def ask(**parameters: Any) -> Any:
        service = Service(model, "tiny", Limits())
        try:
            return await service.answer(read_request({"inputs": [TEXT], "parameters": parameters}), 60.0)
        finally:
            await service.close()

    (promised,) = asyncio.run(ask(min_precision=0.95))
    assert_same(promised, pipe(TEXT, min_precision=0.95))
    assert 0 < len(promised) < len(uncertainties)
    with pytest.raises(InputError, match=r"parameters\.min_precision: min_precision holds for the strategy"):
        asyncio.run(ask(min_precision=0.95, decoding="nested"))
    with pytest.raises(InputError, match=r"the calibration data allow no promise that 99\.0% of the entities are right"):
        asyncio.run(ask(min_precision=0.99))


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 422, "the body is not JSON"),
        ({"text": TEXT}, 422, 'a request is an object with "inputs"'),
        ({"inputs": [TEXT, 3]}, 422, "inputs: must hold texts only; item 1 is int"),
        ({"inputs": TEXT, "parameters": {"threshold": 2}}, 422, "parameters.threshold: expected at most 1, got 2"),
        ({"inputs": TEXT, "parameters": {"strategy": "f1"}}, 422, "parameters.strategy: this model has not been fitted for 'f1'"),
        ({"inputs": TEXT, "parameters": {"min_precision": 0.9}}, 422, "parameters.min_precision: nothing can be promised"),
        ({"inputs": TEXT, "parameters": {"min_precision": 1}}, 422, "parameters.min_precision: expected less than 1, got 1"),
        ({"inputs": TEXT, "parameters": {"llm": True}}, 422, "parameters.llm: no LLM stands behind this service"),
        ({"inputs": TEXT, "parameters": {"llm": "gpt"}}, 422, "parameters.llm: expected true or false"),
        ({"inputs": TEXT, "parameters": {"force": {"X": ["a"]}}}, 422, "'X'"),
        ({"inputs": TEXT, "parameters": {"force": "/etc/passwd"}}, 422, "parameters.force: expected a mapping"),
        ({"inputs": TEXT, "parameters": {"forbid": "/etc/passwd"}}, 422, "parameters.forbid: expected a list or a mapping"),
        ({"inputs": [""] * 41}, 413, "41 texts in one request; at most 40 are read"),
        ({"inputs": ["北" * 2000, "约" * 2001]}, 413, "4001 characters in one request; at most 4000 are read"),
        (b" " * 200_000, 413, "a body of 200000 bytes; at most 113536 are read"),
    ],
)
def test_what_cannot_be_answered_is_told_why(service: RunningService, body: object, status: int, reason: str) -> None:
    answered, answer, _ = service.ask("/predict", body)
    assert (answered, reason in answer["error"]) == (status, True), answer


def test_a_body_without_an_announced_length_is_bounded_too(service: RunningService) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        for _ in range(40):
            connection.sendall(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert b" 413 " in connection.makefile("rb").readline()


def figure(service: RunningService, name: str) -> float:
    lines = service.ask("/metrics")[1].splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if re.split(r"[{ ]", line)[0] == name)


def test_figures_are_those_of_what_was_asked(service: RunningService, pipe: HybridNerPipeline) -> None:
    names = ("requests_total", "texts_total", "characters_total", "entities_total", "doubtful_entities_total", "waiting_texts")
    before = [figure(service, f"hybridner_{name}") for name in names]
    service.ask("/predict", {"inputs": [TEXT, TEXT[:9]], "parameters": {"threshold": 0.72}})
    after = [figure(service, f"hybridner_{name}") for name in names]
    found = [entity for row in pipe([TEXT, TEXT[:9]], threshold=0.72) for entity in row]
    doubtful = sum(entity["needs_review"] for entity in found)
    requests, *rest = (b - a for a, b in zip(before, after, strict=True))
    assert requests == 1 + len(names)  # and those that asked for the figures
    assert rest == [2, len(TEXT) + 9, len(found), doubtful, 0]
    assert 0 < doubtful < len(found)


def test_it_says_how_it_is_and_what_it_serves(service: RunningService, composite_folder: Path) -> None:
    assert service.ask("/health")[:2] == (200, {"status": "alive"})
    assert service.ask("/ready")[:2] == (200, {"status": "ready", "llm": None})
    about = service.ask("/model")[1]
    assert about["model"] == str(composite_folder)
    assert about["labels"] == ["State", "System", "Place"]
    assert service.ask("/nowhere")[0] == 404
    assert service.ask("/predict")[0] == 405


def test_the_page_needs_no_network_and_describes_the_interface(service: RunningService) -> None:
    page = service.ask("/docs")[1]
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    for source in sources:
        assert source.startswith("/")
        assert service.ask(source)[0] == 200
    described = service.ask("/openapi.json")[1]
    assert set(described["paths"]) == {"/predict", "/health", "/ready", "/model", "/metrics"}
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(described)):
        place = described
        for step in reference.split("/"):
            place = place[step]
    request = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(request["properties"]["parameters"]["properties"]) == {
        *("threshold", "min_precision", "decoding", "strategy", "simplify", "force", "forbid", "llm")
    }
    entity = described["components"]["schemas"]["EntityAnswer"]
    found = service.ask("/predict", {"inputs": TEXT})[1][0].keys()
    assert set(entity["required"]) <= found <= entity["properties"].keys()


def test_the_log_tells_everything_but_the_texts(service: RunningService) -> None:
    secret = "克拉苏哈密语"
    service.ask("/predict", {"inputs": [secret, secret]}, {"X-Request-ID": "mine-1"})
    service.ask("/predict", {"inputs": secret, "parameters": {secret: 1}}, {"X-Request-ID": "mine-2"})
    service.ask("/" + "secret-address?text=1", None, {"X-Request-ID": "no\tid"})
    status, _, headers = service.ask("/health", None, {"X-Request-ID": "x" * 65})
    assert status == 200
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])
    wait_until(lambda: any(event.get("request_id") == headers["x-request-id"] for event in service.events()))
    events = {event.get("request_id"): event for event in service.events()}
    one, two = events["mine-1"], events["mine-2"]
    facts = {"event", "level", "logger", "method", "milliseconds", "request_id", "route", "status", "time"}
    assert one.keys() == facts | {"texts", "characters", "entities"}
    assert (one["route"], one["status"], one["texts"], one["characters"]) == ("/predict", 200, 2, 12)
    assert two.keys() == facts
    assert two["status"] == 422
    log = service.log
    for word in (secret, secret.encode("unicode_escape").decode(), "secret-address", "no\\tid"):
        assert word not in log


def test_slow_clients_and_long_readings_are_told_in_time(composite_folder: Path) -> None:
    service = RunningService(str(composite_folder), "--timeout", "0.5", "--batch", "1", "--characters", "400000")
    try:
        with socket.create_connection(("127.0.0.1", service.port)) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{")
            assert slow.recv(4096).startswith(b"HTTP/1.1 504")
        status, answer, _ = service.ask("/predict", {"inputs": [TEXT * 60] * 100})
        assert status == 504
        assert "within" in answer["error"]
        # What has been given up is not read any more, so that others have their turn.
        wait_until(lambda: service.ask("/predict", {"inputs": TEXT})[0] == 200)
    finally:
        service.process.kill()


def test_a_lost_client_holds_nothing_up_and_who_still_waits_is_answered_before_a_stop(
    composite_folder: Path, pipe: HybridNerPipeline
) -> None:
    service = RunningService(str(composite_folder), "--batch", "1", "--timeout", str(PATIENCE), "--characters", "400000")
    try:
        body = json.dumps({"inputs": [TEXT * 60] * 100}).encode()
        with socket.create_connection(("127.0.0.1", service.port)) as lost:
            lost.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        wait_until(lambda: any(event.get("status") == 499 for event in service.events()))
        assert figure(service, "hybridner_waiting_texts") == 0
        assert figure(service, "hybridner_batch_texts_sum") < 100
        with ThreadPoolExecutor(1) as client:
            pending = client.submit(service.ask, "/predict", {"inputs": [TEXT * 4] * 20})
            wait_until(lambda: figure(service, "hybridner_waiting_texts") or pending.done())
            assert service.stop() == 0
            status, answer, _ = pending.result()
    finally:
        service.process.kill()
    assert status == 200
    assert_same(answer, pipe([TEXT * 4]) * 20)
    assert service.events()[-1]["event"] == "stopped"


def test_what_cannot_be_served_is_told_in_a_line(
    composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", str(composite_folder), "--port", str(taken.getsockname()[1])]) == 1
    assert "choose another with --host and --port" in capsys.readouterr().err
    assert main(["serve", str(tmp_path / "nothing"), "--port", "0"]) == 1
    assert "nothing" in capsys.readouterr().err
    assert main(["serve", str(composite_folder), "--batch", "0"]) == 1
    assert "batch: expected at least 1, got 0" in capsys.readouterr().err
