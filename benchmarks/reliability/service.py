"""The service over HTTP, and data sets: bodies and columns of all kinds, and it goes on answering rightly."""

from __future__ import annotations

import json
import random
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from datasets import Dataset

from benchmarks.reliability import material
from benchmarks.reliability.tally import Tally
from hybridner import HybridNerPipeline
from hybridner.errors import HybridNerError
from tests.serving.client import RunningService

_VALUES: tuple[Any, ...] = (
    None, 5, -0.5, 1e308, True, "", "x" * 3000, "\x00\ud83d", [], [[1]], [None, "俄罗斯"], {}, {"path": "/etc/passwd"},
    "/etc/passwd",
)  # fmt: skip
_RAW = (b"", b"{", b"[]", b"\xff\xfe", b"[" * 50_000, b'{"inputs": NaN}', b'{"inputs": "\\ud83d"}', b" " * 5_000_000, b'"inputs"')
_PARAMETERS = ("threshold", "strategy", "decoding", "force", "forbid", "simplify", "llm", "batch_size", "surprise")
_PATHS = ("/predict", "/predict", "/predict", "/", "/health", "/metrics", "/../../etc/passwd", "/openapi.json")
_TEXT = "俄罗斯在叙利亚部署了干扰机。"


def requests(folder: Path, seed: int, count: int) -> Tally:
    """Hostile requests, 8 at a time; every tenth is an honest one."""
    tally, rng = Tally(), random.Random(seed)
    material.composite(folder / "model", seed)
    service = RunningService(str(folder / "model"))
    try:
        expected = service.ask("/predict", {"inputs": _TEXT})[:2]
        plans = [_plan(rng) if number % 10 else None for number in range(count)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda plan: _send(service, plan), plans))
        for plan, answer in zip(plans, answers, strict=True):
            tally.calls += 1
            if plan is None:
                tally.records += 1
                if answer != expected:
                    tally.wrong("lost", f"an honest request is answered {answer}")
                continue
            tally.faults += 1
            if answer[0] in (0, 500) or "root:" in str(answer[1]):
                tally.wrong("executed" if "root:" in str(answer[1]) else "tracebacks", f"{str(plan)[:300]}: {answer}")
    finally:
        service.stop()
    if told := service.log.count("Traceback"):
        tally.wrong("tracebacks", "in the log: " + service.log[-800:], told)
    return tally


def _plan(rng: random.Random) -> tuple[str, object]:
    if rng.random() < 0.3:
        return rng.choice(_PATHS), rng.choice(_RAW)
    body: dict[str, Any] = {"inputs": rng.choice([_TEXT, rng.choice(_VALUES)])}
    if rng.random() < 0.8:
        body["parameters"] = rng.choice([rng.choice(_VALUES), {rng.choice(_PARAMETERS): rng.choice(_VALUES)}])
    return rng.choice(_PATHS), body


def _send(service: RunningService, plan: tuple[str, object] | None) -> tuple[int, Any]:
    """Status and answer; 0 where there is none. A connection that is closed on a body which is too long is an answer."""
    try:
        return service.ask(*(plan or ("/predict", {"inputs": _TEXT})))[:2]
    except (BrokenPipeError, ConnectionResetError) as error:
        return 413, str(error)
    except Exception as error:
        return (413 if "reset" in str(error) or "Broken pipe" in str(error) else 0), str(error)


def data_sets(folder: Path, seed: int, faults: int) -> Tally:
    """`map` over columns of odd rows and with settings that cannot work: the other rows come through."""
    tally, rng = Tally(), random.Random(seed)
    pipe = HybridNerPipeline(material.composite(folder / "model", seed), device="cpu")
    columns: list[list[Any]] = [
        [_TEXT, None, ""], [_TEXT, "\x00\x1b[2J", "\u202e"], [1, 2], [b"\xff", b"x"], [["a"], []], [{"a": 1}], [None, None],
        [1.5, None], [True], [],
    ]  # fmt: skip
    settings: list[dict[str, Any]] = [
        {}, {}, {"column": "none"}, {"threshold": 7}, {"strategy": "x"}, {"llm": "x"}, {"batch_size": 0}, {"num_proc": -1},
        {"output": "text"}, {"surprise": 1}, {"force": {"X": ["a"]}}, {"threshold": float("nan")},
    ]  # fmt: skip
    for _ in range(faults):
        rows, chosen = rng.choice(columns), rng.choice(settings)
        tally.faults += 1
        tally.calls += 1
        tally.records += len(rows)
        what = json.dumps([str(rows), chosen])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = pipe.map(Dataset.from_dict({"text": rows}), **chosen)
        except HybridNerError:
            continue
        except BaseException:
            tally.wrong("tracebacks", f"{what}: {traceback.format_exc()}")
            continue
        if len(found) != len(rows):
            tally.wrong("lost", what)
    return tally
