"""Memory, size and speed of large gazetteers of made-up terms of 2 to 8 common characters.

    python -m benchmarks.gazetteer_memory [N ...]

Each size runs in a process of its own. The figures go into `results/gazetteer_memory.json`.
"""

from __future__ import annotations

import json
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hybridner.data.terms import Term
from hybridner.gazetteer import Gazetteer
from hybridner.hybrid.compact import common_characters

RESULTS = Path(__file__).parent / "results" / "gazetteer_memory.json"
SIZES = (10_000, 100_000, 1_000_000)
#: Characters of text that are searched, in texts of 50.
_TEXT, _LENGTH = 500_000, 50


def resident() -> float:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure(size: int) -> dict[str, float]:
    """One size; seconds are of this process's own CPU time."""
    dice = random.Random(42)
    characters = sorted(c for c in common_characters() if c >= "\u4e00")

    def terms() -> Iterator[Term]:
        for _ in range(size):
            yield Term("".join(dice.choices(characters, k=dice.randint(2, 8))), "A")

    texts = ["".join(dice.choices(characters, k=_LENGTH)) for _ in range(_TEXT // _LENGTH)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "terms.parquet"
        if len(sys.argv) > 3:  # the second process: load what the first one saved
            path = Path(sys.argv[3])
            Gazetteer.from_terms([Term("准备", "A")], ["A"]).find(["准备"])  # what is imported on first use is no term's memory
            before, began = resident(), time.process_time()
            gazetteer = Gazetteer.load(path)
            gazetteer.find(["准备"])
            loaded, began_search = time.process_time() - began, time.process_time()
            hits = gazetteer.find(texts)
            seconds = time.process_time() - began_search
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            return {
                "terms": len(gazetteer),
                "file_mb": round(path.stat().st_size / 1e6, 1),
                "resident_mb": round(resident() - before, 1),
                "peak_mb": round(peak - before, 1),
                "load_s": round(loaded, 2),
                "characters_per_s": round(_TEXT / seconds),
                "hits": len(hits),
            }
        Gazetteer.from_terms(terms(), ["A"]).save(path)
        again = [sys.executable, "-m", "benchmarks.gazetteer_memory", "--one", str(size), str(path)]
        found: dict[str, float] = json.loads(subprocess.run(again, check=True, capture_output=True, text=True).stdout)
        build = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        return {**found, "build_peak_mb": round(build, 1)}


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
        return
    sizes = [int(argument) for argument in sys.argv[1:]] or SIZES
    rows = []
    for size in sizes:
        command = [sys.executable, "-m", "benchmarks.gazetteer_memory", "--one", str(size)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(rows[-1], flush=True)
    about = {"machine": platform.machine(), "python": platform.python_version(), "threads": 1}
    RESULTS.write_text(json.dumps({"about": about, "sizes": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
