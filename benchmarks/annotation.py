"""Bulk annotation of many sentences, killed once in the middle: rate, memory over time, and what the kill cost.

`python -m benchmarks.annotation MODEL FOLDER --sentences 1000000 --minutes 10`. The sentences are clauses of SNCM-open put
together anew, so they read like the corpus and hardly ever repeat.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from benchmarks.side_by_side import RESULTS, machine
from hybridner.annotation.shards import DATA, Shards
from hybridner.data.sncm.corpus import read_corpus_splits

#: Seconds between two looks at the process.
_EVERY = 1.0


@dataclass(frozen=True)
class Look:
    """The job at one moment: seconds since its process began, records in finished shards, memory (MB) and processor seconds."""

    seconds: float
    records: int
    memory: float
    processor: float


def synthesise(count: int, seed: int = 42) -> Iterator[str]:
    """Sentences of two or three clauses from different sentences of the corpus."""
    sentences = [sentence.record.text for split in read_corpus_splits().values() for sentence in split]
    clauses = [clause for text in sentences for clause in re.split("[，。；！？：]", text) if len(clause) > 3]
    rng = random.Random(seed)
    for _ in range(count):
        yield "，".join(rng.choices(clauses, k=rng.choice((2, 2, 3)))) + "。"


def watch(command: list[str], output: Path, per_shard: int, stop_at: float) -> list[Look]:
    """Run a job and look at it until it ends; it is killed after `stop_at` seconds."""
    looks = []
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            seconds = time.monotonic() - began
            try:
                memory, times = watched.memory_info().rss / 2**20, watched.cpu_times()
            except psutil.NoSuchProcess:
                break
            done = len(list(output.glob(f"{DATA}/part-*"))) * per_shard
            looks.append(Look(round(seconds, 1), done, round(memory, 1), round(times.user + times.system, 1)))
            if seconds > stop_at:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(_EVERY)
    return looks


def check(output: Path, sentences: Path) -> int:
    """How many records the finished shards hold; every one of their lines must be there once, as it is in the input."""
    lines = sentences.read_text(encoding="utf-8").split("\n")
    seen = 0
    for key in sorted(Shards(output, "").keys()):
        table = pq.read_table(output / DATA / f"part-{key}.parquet", columns=["offset", "text"])
        first = table["offset"][0].as_py()
        assert table["offset"].to_pylist() == list(range(first, first + len(table)))
        assert table["text"].to_pylist() == lines[first : first + len(table)]
        seen += len(table)
    return seen


def figures(first: list[Look], second: list[Look], output: Path) -> dict[str, Any]:
    """What the two runs show; shards are as large as each other."""
    shards = [Shards(output, "").about(key) for key in sorted(Shards(output, "").keys())]
    # Memory counts from the first finished shard of the longer run on: before that, the model is being loaded.
    working = [look for look in second if look.records > second[0].records]
    middle = len(working) // 2
    spent = (working[-1].processor - working[0].processor) / max(1, working[-1].records - working[0].records)
    return {
        "records": sum(shard["records"] for shard in shards),
        "entities": sum(shard["entities"] for shard in shards),
        "records_per_second": statistics.median(shard["records"] / shard["seconds"] for shard in shards),
        "records_per_processor_second": 1 / spent if spent else None,
        "shards_at_kill": first[-1].records,
        "seconds_from_restart_to_first_new_shard": working[0].seconds,
        "memory_mb": {
            "after_first_shard": working[0].memory,
            "median_of_first_half": statistics.median(look.memory for look in working[: middle + 1]),
            "median_of_second_half": statistics.median(look.memory for look in working[middle:]),
            "peak": max(look.memory for look in [*first, *second]),
        },
    }


def thinned(looks: list[Look]) -> list[dict[str, float]]:
    """About forty of them, evenly spread."""
    return [asdict(look) for look in looks[:: max(1, len(looks) // 40)]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path, help="where sentences and output go; must be new")
    parser.add_argument("--name", help="what the model is called in the report")
    parser.add_argument("--sentences", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=10.0, help="of the whole measurement; a third of it before the kill")
    parser.add_argument("--records-per-shard", type=int, default=5000)
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    sentences, output = options.folder / "sentences.txt", options.folder / "output"
    with sentences.open("w", encoding="utf-8") as file:
        file.writelines(f"{text}\n" for text in synthesise(options.sentences))
    command = [sys.executable, "-m", "hybridner", "annotate", options.model, str(sentences), "--output", str(output)]
    command += ["--records-per-shard", str(options.records_per_shard)]
    first = watch(command, output, options.records_per_shard, 20 * options.minutes)
    kept = {path: path.stat().st_mtime_ns for path in output.glob(f"{DATA}/part-*")}
    second = watch(command, output, options.records_per_shard, 40 * options.minutes)
    assert all(path.stat().st_mtime_ns == changed for path, changed in kept.items()), "a finished shard was made again"
    found = {
        "machine": {**machine(), "threads": os.environ.get("OMP_NUM_THREADS", "all"), "load": os.getloadavg()[1]},
        "model": options.name or Path(options.model).name,
        "sentences": options.sentences,
        "records_per_shard": options.records_per_shard,
        "checked_records": check(output, sentences),
        **figures(first, second, output),
        "looks": {"before_kill": thinned(first), "after_kill": thinned(second)},
    }
    print(json.dumps({name: value for name, value in found.items() if name != "looks"}, indent=2))
    (RESULTS / "annotation.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
