"""An LLM that answers nonsense, not at all or too much: every text keeps its entities, and nothing is asked for twice."""

from __future__ import annotations

import json
import random
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.reliability import material
from benchmarks.reliability.children import run_child
from benchmarks.reliability.tally import Tally
from hybridner import HybridNerPipeline
from hybridner.llm import AnswerCache
from tests.llm.scripted_server import BROKEN, CUT, DROP, HTML, HTML_502, KEY, NOT_CHAT, Reply, ScriptedServer, chat, problem

_CONTENTS = (
    "", " ", None, "<think>" * 20_000, "State" * 50_000, "[" * 50_000, '{"label": "Sta', '{"label": ["State"]}',
    '{"label": null}', "答案是：State。", "\x1b[2J\x00State", "\u202eetatS", "State or Place", "Non-Entity", "国家",
    "```json\n{}\n```", "{}" * 9_000, "\ud83d", "State</think>" * 900, "1" * 400, "-" * 20_000, "\n" * 30_000,
)  # fmt: skip


def malformed(rng: random.Random) -> Reply:
    """One bad answer."""
    if rng.random() < 0.6:
        return chat(rng.choice(_CONTENTS), rng.choice(["stop", "length", "content_filter", "surprise"]))
    whole = json.loads(chat("State").body)
    changed = {**whole, rng.choice(list(whole)): rng.choice([None, [], {}, "x", -1, 1e999, [[]], {"prompt_tokens": "many"}])}
    statuses = [problem(status) for status in (400, 404, 418, 422, 429, 500, 503)]
    return rng.choice([HTML, HTML_502, BROKEN, NOT_CHAT, CUT, DROP, Reply(json.dumps(changed).encode()), Reply(b""), *statuses])


def run(folder: Path, seed: int, faults: int) -> Tally:
    """Batches of texts until so many bad answers have been given."""
    tally, rng, lock = Tally(), random.Random(seed), threading.Lock()
    pipe = HybridNerPipeline(material.composite(folder / "model", seed), device="cpu")

    def script(body: dict[str, Any], number: int) -> Reply:
        with lock:
            tally.calls += 1
            if rng.random() < 0.2:
                return chat("State")
            tally.faults += 1
            return malformed(rng)

    server = ScriptedServer(script)
    try:
        batch = 0
        while tally.faults < faults:
            texts = [material.sentence(rng, 100 * batch + number).text for number in range(8)]
            _ask(tally, pipe, server, texts, folder / f"{batch % 5}.sqlite")
            batch += 1
    finally:
        server.stop()
    return tally


def _llm(server: ScriptedServer) -> dict[str, Any]:
    return {"model": "m", "base_url": server.url, "api_key": KEY, "timeout": 5.0, "max_retries": 1}


def _ask(tally: Tally, pipe: HybridNerPipeline, server: ScriptedServer, texts: list[str], cache: Path) -> None:
    settings = {"fusion": "replace", "budget": {"calls": 60}}
    tally.records += len(texts)
    try:
        found = pipe(texts, llm=_llm(server), llm_settings=settings, llm_cache=str(cache), threshold=0.5)
        json.dumps(found)
    except BaseException:
        tally.wrong("tracebacks", traceback.format_exc())
        return
    for text, entities in zip(texts, found, strict=True):
        if not entities or any(text[entity["start"] : entity["end"]] != entity["word"] for entity in entities):
            tally.wrong("lost", f"{text}: {entities}")


def together(folder: Path, seed: int, threads: int, processes: int) -> Tally:
    """Threads of one process, then processes, with one cache and the same questions, while the server fails now and then."""
    tally, rng, lock = Tally(), random.Random(seed), threading.Lock()
    pipe = HybridNerPipeline(material.composite(folder / "model", seed), device="cpu")
    texts = [material.sentence(rng, number).text for number in range(12)]
    given: dict[str, int] = {}

    def script(body: dict[str, Any], number: int) -> Reply:
        with lock:
            tally.calls += 1
            if rng.random() < 0.15:
                tally.faults += 1
                return rng.choice([DROP, HTML_502, problem(500), BROKEN])
            question = json.dumps(body["messages"], sort_keys=True)
            given[question] = given.get(question, 0) + 1
            return chat("State")

    server = ScriptedServer(script)
    llm = {**_llm(server), "max_retries": 4}

    def read(cache: Path) -> list[Any]:
        settings = {"fusion": "replace", "kinds": ["entity"]}
        return list(pipe(texts, llm=llm, llm_settings=settings, llm_cache=AnswerCache(cache), threshold=0.5))

    def decided(found: list[Any]) -> list[Any]:
        return [[(entity["start"], entity["end"], entity["entity_group"]) for entity in entities] for entities in found]

    try:
        expected = decided(read(folder / "alone.sqlite"))
        given.clear()
        with ThreadPoolExecutor(threads) as pool:
            results = list(pool.map(lambda _: read(folder / "threads.sqlite"), range(threads)))
        for result in results:
            tally.records += len(texts)
            if decided(result) != expected:
                tally.wrong("lost", "threads: another result than alone")
        _count_twice(tally, given, "threads")

        def child() -> None:
            if decided(read(folder / "processes.sqlite")) != expected:
                raise SystemExit(1)

        with ThreadPoolExecutor(processes) as pool:
            worked = list(pool.map(lambda _: run_child(child), range(processes)))
        tally.records += len(texts) * processes
        if not all(worked):
            tally.wrong("lost", f"processes: {worked.count(False)} gave another result than alone", worked.count(False))
        _count_twice(tally, given, "processes")
    finally:
        server.stop()
    return tally


def _count_twice(tally: Tally, given: dict[str, int], who: str) -> None:
    """Questions that were answered well and asked again all the same."""
    twice = sum(count - 1 for count in given.values())
    if twice:
        tally.wrong("doubled", f"{who}: {twice} questions were answered more than once", twice)
    given.clear()
