"""What the benchmarks share: two things timed in turns, long runs that are kept, reports."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


def compare(
    ours: Callable[[], object],
    other: Callable[[], object],
    rounds: int = 9,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of both, and the median of other / ours over the rounds, after one round that does not count.

    With `time.process_time` for the clock, what else runs on the machine counts less.
    """
    times: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        pair = []
        for function in (ours, other):
            began = clock()
            function()
            pair.append(clock() - began)
        if number:
            times.append((pair[0], pair[1]))
    ratios = sorted(b / a for a, b in times)
    return {
        "ours_seconds": statistics.median(a for a, _ in times),
        "other_seconds": statistics.median(b for _, b in times),
        "other_over_ours": statistics.median(ratios),
        "lowest_ratio": ratios[0],
        "highest_ratio": ratios[-1],
        "rounds": rounds,
    }


def machine() -> dict[str, Any]:
    """What has to stand beside every figure."""
    return {
        "processor": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "device": "cpu",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def report(name: str, figures: dict[str, Any], hardware: str | None = None) -> None:
    """Print the figures and keep them in results/NAME.json; `hardware` is what runs made elsewhere were made on."""
    whole = {"machine": hardware or machine(), **figures}
    text = json.dumps(whole, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def kept(path: Path, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of a long run, from its file when it has been done before."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(run(), indent=1), encoding="utf-8")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    print(path.stem, json.dumps(found)[:400], flush=True)
    return found
