"""What a character costs in texts of 100 to 1,000,000 characters: `python -m benchmarks.long_texts FOLDER [MODEL]`.

Each length runs in a process of its own and is kept in FOLDER, so that the script goes on when started again. Short texts are
read before and after, and the ratio to them counts, in processor time. Texts are training sentences of SNCM-open in random order.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import torch

from benchmarks.side_by_side import RESULTS, kept, report
from hybridner import HybridNerPipeline
from hybridner.bundled import BUNDLED
from hybridner.data.sncm.corpus import read_corpus_splits
from hybridner.hybrid.loading import load_composite

LENGTHS = (100, 1_000, 10_000, 100_000, 1_000_000)
#: Characters of the short texts, and how many characters each measurement reads at least.
SHORT, AMOUNT = 100, 6_000
ROUNDS = 3


def text_of(length: int, seed: int) -> str:
    """Sentences one after the other, cut to a length."""
    sentences = [sentence.record.text for sentence in read_corpus_splits()["train"]]
    rng = random.Random(seed)
    shuffled = chain.from_iterable(rng.sample(sentences, len(sentences)) for _ in repeat(None))
    parts: list[str] = []
    while (missing := length - sum(map(len, parts))) > 0:
        parts += islice(shuffled, max(1, missing // 60))
    return "".join(parts)[:length]


def cost(pipe: HybridNerPipeline, texts: list[str]) -> tuple[float, int]:
    """Processor milliseconds a character, and the entities found."""
    began = time.process_time()
    found = pipe(texts)
    return 1000 * (time.process_time() - began) / sum(map(len, texts)), sum(map(len, found))


def peak() -> float:
    """Megabytes that the process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(model: str, length: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    pipe = HybridNerPipeline(load_composite(model), device="cpu")
    short = [text_of(SHORT, seed) for seed in range(AMOUNT // SHORT)]
    long = [text_of(length, seed) for seed in range(max(1, AMOUNT // length))]
    cost(pipe, short)
    before = peak()
    rounds: list[tuple[float, float]] = []
    entities = 0
    for _ in range(ROUNDS if length <= 10_000 else 1):
        around = cost(pipe, short)[0]
        mine, entities = cost(pipe, long)
        rounds.append((mine, (around + cost(pipe, short)[0]) / 2))
    ratio, (mine, other) = sorted((mine / other, (mine, other)) for mine, other in rounds)[len(rounds) // 2]
    return {
        "characters": length,
        "texts": len(long),
        "ms_per_character": round(mine, 4),
        "short_ms_per_character": round(other, 4),
        "ratio": round(ratio, 3),
        "peak_mb_beyond_short": round(peak() - before, 1),
        "entities": entities,
    }


def main() -> None:
    folder, model = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else BUNDLED
    if len(sys.argv) > 3:
        print(json.dumps(measure(model, int(sys.argv[3]))))
        return

    def run(length: int) -> Callable[[], dict[str, Any]]:
        command = [sys.executable, "-m", "benchmarks.long_texts", str(folder), model, str(length)]
        return lambda: dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))

    found = [kept(folder / f"{length}.json", run(length)) for length in LENGTHS]
    report("long_texts", {"model": model, "texts": "SNCM-open, training sentences in random order", "lengths": found})
    rows = [
        f"| {row['characters']:,} | {row['texts']} | {row['ms_per_character']:.3f} | {row['ratio']:.2f} | "
        f"{row['peak_mb_beyond_short']:.0f} | {row['entities']:,} |"
        for row in found
    ]
    print("| characters | texts | ms a character | ratio to short texts | MB beyond short texts | entities |")
    print("|---|---|---|---|---|---|\n" + "\n".join(rows))
    print(f"{RESULTS / 'long_texts.json'}")


if __name__ == "__main__":
    main()
