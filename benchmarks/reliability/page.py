"""The page: requests of all kinds at once, and it goes on answering rightly."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.reliability import material
from benchmarks.reliability.tally import Tally
from tests.space.test_hostile_requests import VALUES, Program, request
from tests.support.page import ROOT, quiet_environment, wait_for
from tests.support.ports import own_port

_RAW = (b"", b"{", b"[]", b'{"data": 5}', b"\xff\xfe", b"[" * 50_000, b'{"data": [], "fn_index": 99999}')
_PATHS = tuple(f"gradio_api/{path}" for path in ("queue/join", "run/analyze", "call/analyze", "upload", "file=/etc/passwd"))


def run(folder: Path, seed: int, requests: int) -> Tally:
    """Hostile requests, 8 at a time; every tenth is an honest one."""
    tally, rng = Tally(), random.Random(seed)
    material.composite(folder / "model", seed)
    log, port = folder / "log.txt", own_port()
    environment = quiet_environment(HYBRIDNER_MODEL=str(folder / "model"), GRADIO_SERVER_PORT=str(port), PYTHONPATH=str(ROOT))
    with log.open("w", encoding="utf-8") as output:
        command = [sys.executable, str(ROOT / "space" / "app.py")]
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output, text=True)
        try:
            url = f"http://127.0.0.1:{port}/"
            wait_for(url, process)
            program = Program(url)
            honest = program.event("analyze")
            expected = _answer(program, honest)
            plans = [_plan(program, rng) if number % 10 else None for number in range(requests)]
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda plan: _send(program, url, plan), plans))
            for plan, answer in zip(plans, answers, strict=True):
                tally.calls += 1
                if plan is None:
                    tally.records += 1
                    if answer != expected:
                        tally.wrong("lost", f"the page answers {answer}")
                else:
                    tally.faults += 1
                    if "root:" in answer or not answer:
                        tally.wrong("executed" if answer else "tracebacks", f"{plan}: {answer}")
        finally:
            process.terminate()
            process.wait(20)
    text = log.read_text(encoding="utf-8")
    if "Traceback" in text:
        tally.wrong("tracebacks", text[text.index("Traceback") :][:800], text.count("Traceback"))
    return tally


def _plan(program: Program, rng: random.Random) -> tuple[Any, ...]:
    if rng.random() < 0.3:
        return rng.choice(_PATHS), rng.choice(_RAW)
    event = rng.choice([event for event in program.events if event["inputs"]])
    inputs = program.usual_inputs(event)
    places = [place for place, number in enumerate(event["inputs"]) if program.components[number]["type"] != "state"]
    for place in rng.sample(places, min(len(places), rng.choice([1, 1, 2]))):
        inputs[place] = rng.choice(VALUES)
    return event, inputs


def _send(program: Program, url: str, plan: tuple[Any, ...] | None) -> str:
    """The answer as text; empty for none."""
    try:
        if plan is None:
            return _answer(program, program.event("analyze"))
        if isinstance(plan[0], str):
            return "{} {}".format(*request(url + plan[0], raw=plan[1]))
        return json.dumps(program.call(*plan))
    except Exception as error:
        return "" if isinstance(error, TimeoutError) else f"refused: {error}"


def _answer(program: Program, event: dict[str, Any]) -> str:
    return json.dumps(program.call(event, program.usual_inputs(event))["output"]["data"][:2], sort_keys=True)
