"""Whatever visitors send, typed or made up, they get a message and the operator's log no traceback."""

from __future__ import annotations

import itertools
import json
import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from hybridner.space.texts import page_texts
from tests.space.conftest import EXAMPLE
from tests.support.late import answered_while_sending
from tests.support.patience import PATIENCE

Space = tuple[str, Path]

#: Values that a component of the page can or cannot have.
VALUES: list[Any] = [
    None,
    5,
    -0.5,
    1e308,
    True,
    "",
    "guess",
    "俄罗斯" * 2000,
    "\x00\ud83d",
    [],
    [[1, "x"]],
    {},
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"path": "/etc/passwd"},
    {"url": "http://169.254.169.254/", "meta": {"_type": "gradio.FileData"}, "path": "x"},
    {"headers": [1], "data": 5, "metadata": []},
    {"headers": ["a"], "data": [[1], [1, 2, 3]], "metadata": None},
    {"__type__": "update"},
]


def request(url: str, body: object = None, *, raw: bytes | None = None, method: str = "POST") -> tuple[int, str]:
    """Status and body of the answer."""
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    message = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(message, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


#: What a visitor has filled in, by the ids of the page's elements; the text is the one that has been analyzed on arrival.
FILLED_IN = {"text": EXAMPLE, "use-llm": True, "endpoint": "http://127.0.0.1:9/v1", "llm-model": "some-model"}


class Program:
    """A visitor's program that calls the page's events as its browser would."""

    def __init__(self, url: str) -> None:
        self.url = url
        config = json.loads(request(url + "config", method="GET")[1])
        self.events: list[dict[str, Any]] = config["dependencies"]
        self.components = {component["id"]: component for component in config["components"]}
        self._numbers = itertools.count()

    def name(self, component: int) -> str | None:
        """The id of its element on the page."""
        name: str | None = self.components[component]["props"].get("elem_id")
        return name

    def usual_inputs(self, event: dict[str, Any], **changed: Any) -> list[Any]:
        """What the browser would send, but for the components that are named."""
        inputs = []
        for number in event["inputs"]:
            name = self.name(number) or ""
            value = FILLED_IN.get(name, self.components[number]["props"].get("value"))
            inputs.append(changed.get(name.replace("-", "_"), value))
        return inputs

    def event(self, name: str) -> dict[str, Any]:
        """The page's own event of a handler; gradio numbers those of the same name."""
        return [event for event in self.events if re.fullmatch(rf"{name}(_\d+)?", event["api_name"] or "")][-1]

    def call(self, event: dict[str, Any], data: object, session: str = "") -> dict[str, Any]:
        """The last message about an event: its outputs, or its error."""
        session = session or f"visitor{next(self._numbers)}"
        body = {"data": data, "fn_index": event["id"], "session_hash": session, "event_data": None, "trigger_id": None}
        status, answer = request(self.url + "gradio_api/queue/join", body)
        if status != 200:
            return {"status": status, "answer": answer}
        with urllib.request.urlopen(self.url + f"gradio_api/queue/data?session_hash={session}", timeout=PATIENCE) as stream:
            for line in stream:
                if line.startswith(b"data:"):
                    message: dict[str, Any] = json.loads(line[5:])
                    if message["msg"] in ("process_completed", "unexpected_error", "close_stream"):
                        return message
        return {}


@pytest.fixture(scope="module")
def program(space: Space) -> Program:
    return Program(space[0])


@pytest.fixture(autouse=True)
def log_without_traceback(space: Space) -> Any:
    before = len(space[1].read_text(encoding="utf-8"))
    yield
    assert "Traceback" not in space[1].read_text(encoding="utf-8")[before:]


def test_no_event_has_input_that_ends_in_a_traceback(program: Program) -> None:
    # The same handler may belong to several buttons.
    events = {(tuple(event["inputs"]), tuple(event["outputs"])): event for event in program.events if event["inputs"]}
    calls: list[tuple[dict[str, Any], object]] = []
    turn = 0
    for event in events.values():
        usual = program.usual_inputs(event)
        for place, number in enumerate(event["inputs"]):
            if program.components[number]["type"] != "state":
                # A third of the values for each, in turns: every kind of component meets them all.
                calls += [(event, [*usual[:place], value, *usual[place + 1 :]]) for value in VALUES[turn % 3 :: 3]]
                turn += 1
        calls += [(event, data) for data in (usual, [], usual[:-1], [*usual, 1], None, "text", {"a": 1})]
    assert len(calls) > 100
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda call: program.call(*call), calls))
    assert all(answers)


@pytest.mark.parametrize("value", [5, None, -1, "0.5", "x"])
@pytest.mark.parametrize(("language", "message"), [("zh", "0 到 1 之间"), ("en", "from 0 to 1")])
def test_an_impossible_threshold_gives_a_plain_message(program: Program, value: object, language: str, message: str) -> None:
    event = program.event("analyze")
    answer = program.call(event, program.usual_inputs(event, threshold=value, language=language))
    assert answer["success"]
    assert message in answer["output"]["data"][1]


@pytest.mark.parametrize(
    "path",
    [
        "gradio_api/queue/join",
        "gradio_api/run/analyze",
        "gradio_api/call/nothing",
        "gradio_api/upload",
        "gradio_api/component_server",
        "gradio_api/reset",
        "gradio_api/cancel",
    ],
)
def test_requests_that_are_none_are_refused(space: Space, path: str) -> None:
    bodies = (b"", b"{", b"[]", b'{"data": 5}', b"\xff\xfe", b'{"data": [], "fn_index": 99999}', b'{"fn_index": "x", "data": []}')
    for raw in bodies:
        status, _ = request(space[0] + path, raw=raw)
        assert status >= 400, raw


def test_a_call_without_its_arguments_is_refused(space: Space) -> None:
    for raw in (b"", b"{", b'{"data": 5}', b'{"data": []}', b'{"data": [], "fn_index": 99999}'):
        status, answer = request(space[0] + "gradio_api/call/analyze", raw=raw)
        if status == 200:  # gradio has queued it
            event = json.loads(answer)["event_id"]
            assert "event: error" in request(space[0] + f"gradio_api/call/analyze/{event}", method="GET")[1]


@pytest.mark.parametrize(
    "path", ["gradio_api/file=/etc/passwd", "gradio_api/file=../../etc/passwd", "nothing", "gradio_api/queue/data"]
)
def test_addresses_that_are_none_are_refused(space: Space, path: str) -> None:
    assert request(space[0] + path, method="GET")[0] >= 400


def test_no_file_of_the_server_is_read(program: Program) -> None:
    for file in ({"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, {"path": "/etc/passwd"}):
        event = program.event("analyze_file")
        assert "root:" not in json.dumps(program.call(event, program.usual_inputs(event, file=file)))


#: A review as the page's script sends it.
REVIEW = {"text": "北约", "complete": True, "entities": [{"start": 0, "end": 2, "label": "State", "review": "added"}]}
SAVE = {"queue": "0" * 16, "item": REVIEW, "language": "en"}


def post(space: Space, path: str, raw: bytes, **headers: str) -> tuple[int, str]:
    message = urllib.request.Request(space[0] + path, raw, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(message, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


def test_reviews_are_exported_and_saved_for_the_pages_own_script(space: Space, kept_reviews: Path) -> None:
    own = {"Origin": space[0].rstrip("/")}
    status, answer = post(space, "hybridner/export", json.dumps({"format": "jsonl", "items": [REVIEW]}).encode(), **own)
    assert (status, json.loads(answer)["text"]) == (200, "北约")
    assert post(space, "hybridner/save", json.dumps(SAVE).encode(), **own) == (200, '{"saved":1}')
    assert (kept_reviews / f"{SAVE['queue']}.jsonl").is_file()


@pytest.mark.parametrize("path", ["hybridner/export", "hybridner/save"])
@pytest.mark.parametrize(
    ("raw", "status"),
    [
        *((raw, 400) for raw in (b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b" " * 9_000_000)),
        *((json.dumps(value).encode(), 422) for value in ({}, {"items": 5}, {"item": 5}, {"items": [{}], "item": {}})),
        (json.dumps({**SAVE, "items": [REVIEW], "format": "../x", "queue": "../x"}).encode(), 422),
    ],
)
def test_reviews_that_are_none_are_refused(space: Space, path: str, raw: bytes, status: int) -> None:
    code, answer = post(space, path, raw)
    assert code == status
    assert "error" in json.loads(answer)


@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Origin": "http://elsewhere.example"}])
def test_other_pages_cannot_save(space: Space, headers: dict[str, str]) -> None:
    assert post(space, "hybridner/save", json.dumps(SAVE).encode(), **headers)[0] in (400, 403)


@pytest.mark.parametrize(("content_type", "first"), [("text/plain", 0), ("application/json", 8_100_000)])
def test_who_is_still_sending_can_read_why_it_is_refused(space: Space, content_type: str, first: int) -> None:
    port = int(space[0].rstrip("/").rpartition(":")[2])
    answer = answered_while_sending(port, "/hybridner/save", b" " * first, b" " * 500_000, content_type)
    assert answer == (400, {"error": page_texts("en")("problems.bad_request")})
