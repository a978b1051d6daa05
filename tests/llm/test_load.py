"""2,000 spans against a server that fails in 15 % of its replies, and a process killed in the middle of its work."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hybridner.ensemble import Candidate
from hybridner.llm import AnswerCache, LlmSettings, LlmStage
from hybridner.spans import LabelSet
from tests.llm.scripted_server import (
    BROKEN,
    CUT,
    DROP,
    HANG,
    HTML,
    HTML_502,
    NOT_CHAT,
    Reply,
    ScriptedServer,
    candidate,
    chat,
    problem,
    verifier,
)
from tests.support.forked import Forked, run
from tests.support.patience import PATIENCE, wait_until

SPANS = 2_000
BATCH = 250
FAULTS = [
    problem(429),
    problem(429, Retry_After="0.02"),
    problem(500),
    problem(503),
    HTML,
    HTML_502,
    BROKEN,
    NOT_CHAT,
    CUT,
    DROP,
    chat(""),
    chat("I would rather not say."),
]
#: Numbers of two requests that get no reply until another number has come, all of them in the first batch.
LATE, DROPPED_AT = (100, 101), 200


def batch(first: int, size: int = BATCH) -> tuple[list[str], list[list[Candidate]]]:
    """Texts with two different routed spans each."""
    numbers = range(first, first + size, 2)
    texts = [f"第{number}条：俄罗斯在叙利亚部署了干扰机。" for number in numbers]
    starts = [text.index("俄罗斯") for text in texts]
    return texts, [[candidate(start, start + 3), candidate(start + 4, start + 7, "O")] for start in starts]


class Faulty:
    """A script with 15 % faults of all kinds, and two replies that never come; keeps count of good replies by question."""

    def __init__(self) -> None:
        self.dice = random.Random(7)
        self.good: Counter[int] = Counter()
        self.faults = self.total = 0
        self._lock, self._drop = threading.Lock(), threading.Event()

    def __call__(self, body: dict[str, Any], _: int) -> Reply:
        with self._lock:
            self.total += 1
            is_late = self.total in LATE
            faulty, kind = self.dice.random() < 0.15, self.dice.choice(FAULTS)
            if self.total == DROPPED_AT:
                self._drop.set()
            if not (is_late or faulty):
                self.good[hash(str(body))] += 1
                return chat("LOC")
            self.faults += 1
        if is_late:
            assert self._drop.wait(PATIENCE)
        return DROP if is_late else kind


def test_two_thousand_spans_with_faults(serve: Callable[[Any], ScriptedServer], labels: LabelSet, tmp_path: Path) -> None:
    script = Faulty()
    server = serve(script)
    client = verifier(server, concurrency=32, max_retries=30)
    settings = LlmSettings(fusion="replace", time_limit=None, spans_per_call=1)
    cache = AnswerCache(tmp_path / "cache.sqlite")
    statuses: Counter[str] = Counter()
    with LlmStage(client, labels, settings, cache=cache) as stage:
        for first in range(0, SPANS, BATCH):
            for row in stage.run(*batch(first)):
                statuses.update(verified.provenance.status for verified in row)
                assert all(v.candidate.label == "LOC" for v in row if v.provenance.status == "asked")
        report = stage.report()
    # Every span ended with a decision, nearly all with the LLM's.
    assert sum(statuses.values()) == report.spans_routed == SPANS
    assert set(statuses) <= {"asked", "unparsed"}
    assert statuses["asked"] > 0.99 * SPANS
    assert script.faults > 0.1 * SPANS
    assert report.attempts == script.total
    # No question was asked again after its good answer, and no more were under way than allowed.
    assert max(script.good.values()) == 1
    assert server.most_under_way <= 32
    # Once more from the cache: not one request.
    before = script.total
    with LlmStage(client, labels, settings, cache=cache) as stage:
        again = [v for first in range(0, SPANS, BATCH) for row in stage.run(*batch(first)) for v in row]
    assert Counter(v.provenance.status for v in again) == Counter({"cached": statuses["asked"], "unparsed": statuses["unparsed"]})
    assert script.total == before


WORK = """
import json
import sys
from hybridner.llm import AnswerCache, LlmSettings, LlmStage
from hybridner.spans import LabelSet
from tests.llm.scripted_server import verifier
from tests.llm.test_load import batch
from tests.support.patience import PATIENCE

url, path, labels = sys.argv[1:]
labels = LabelSet.from_dict(json.loads(labels))
settings = LlmSettings(spans_per_call=1, time_limit=None)
with LlmStage(verifier(url, concurrency=8, timeout=PATIENCE), labels, settings, cache=AnswerCache(path)) as stage:
    stage.run(*batch(0, 200))
"""


#: A process of its own, for what other tests have begun in this one may still be at work and keep objects of its own.
COUNT = """
import gc
import json
import sys
from collections import Counter
from hybridner.llm import AnswerCache, LlmSettings, LlmStage
from hybridner.spans import LabelSet
from tests.llm.scripted_server import verifier
from tests.llm.test_load import BATCH, batch
from tests.support.patience import wait_until

def objects():
    gc.collect()
    # Of what the libraries keep, nobody knows how much there is.
    types = (type(thing) for thing in gc.get_objects())
    return Counter(kind.__qualname__ for kind in types if str(kind.__module__).startswith("hybridner."))

url, path, labels = sys.argv[1:]
labels = LabelSet.from_dict(json.loads(labels))
settings = LlmSettings(fusion="replace", time_limit=None, spans_per_call=1)
with LlmStage(verifier(url, concurrency=32, max_retries=30), labels, settings, cache=AnswerCache(path)) as stage:
    for number in range(2):
        stage.run(*batch(number * BATCH))
    before = objects()
    for number in range(2, 4):
        stage.run(*batch(number * BATCH))
    # Connections and the last failure may come and go, and the stage's thread puts the last batch away when it gets to it.
    wait_until(lambda: (objects() - before).total() < 2 * BATCH // 10, lambda: str(objects() - before))
"""


def test_nothing_is_kept_of_a_span_that_is_done(serve: Callable[[Any], ScriptedServer], labels: LabelSet, tmp_path: Path) -> None:
    ended = run("-c", COUNT, serve(Faulty()).url, str(tmp_path / "cache.sqlite"), json.dumps(labels.to_dict()))
    assert ended.returncode == 0, ended.stderr


def test_a_killed_process_goes_on_from_the_cache(
    serve: Callable[[Any], ScriptedServer], labels: LabelSet, tmp_path: Path
) -> None:
    path = tmp_path / "cache.sqlite"
    killed = threading.Event()

    def stalls(_: dict[str, Any], number: int) -> Reply:
        # The first process gets 100 answers and is killed while it waits for more.
        return chat("LOC") if number < 100 or killed.is_set() else HANG

    server = serve(stalls)
    first = Forked("-c", WORK, server.url, str(path), json.dumps(labels.to_dict()))
    try:
        wait_until(lambda: len(server.requests) >= 108 or first.poll() is not None)
        wait_until(lambda: len(AnswerCache(path)) == 100)
    finally:
        first.kill()
    assert first.poll() == -signal.SIGKILL
    killed.set()
    before = len(server.requests)
    with LlmStage(
        verifier(server, concurrency=8), labels, LlmSettings(spans_per_call=1, time_limit=None), cache=AnswerCache(path)
    ) as stage:
        statuses = Counter(v.provenance.status for row in stage.run(*batch(0, 200)) for v in row)
    assert statuses == Counter({"cached": 100, "asked": 100})
    assert len(server.requests) - before == 100


def test_processes_on_one_cache_send_each_question_once(
    serve: Callable[[Any], ScriptedServer], labels: LabelSet, tmp_path: Path
) -> None:
    def slow(_: dict[str, Any], number: int) -> Reply:
        time.sleep(0.05)
        return chat("LOC")

    server, path = serve(slow), tmp_path / "cache.sqlite"
    # On a busy machine a process may stand still for longer than a claim lasts.
    work = f"import hybridner.llm.cache\nhybridner.llm.cache.LEASE = 3_600.0\n{WORK}"
    processes = [Forked("-c", work, server.url, str(path), json.dumps(labels.to_dict())) for _ in range(3)]
    assert [process.wait().returncode for process in processes] == [0, 0, 0]
    assert len(server.asked()) == len(set(server.asked())) == 200
    assert len(AnswerCache(path)) == 200
