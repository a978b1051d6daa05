"""The whole trial, or parts of it: `python -m benchmarks.reliability --seed 7 [PART ...]`; a table, and JSON in results/."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.reliability import answers, folders, inputs, kills, outputs, page
from benchmarks.reliability.tally import Tally, table
from benchmarks.side_by_side import report

#: Name, and the trial in a folder with a seed; numbers of kills and faults are multiplied by `--scale`.
TRIALS: dict[str, Callable[[Path, int, float], Tally]] = {
    "annotate killed": lambda folder, seed, scale: kills.annotation(folder, seed, int(30 * scale), 400),
    "training killed": lambda folder, seed, scale: kills.training(folder, seed, int(6 * scale)),
    "crossval killed": lambda folder, seed, scale: kills.crossval(folder, seed, int(4 * scale)),
    "learn killed": lambda folder, seed, scale: kills.learning(folder, seed, int(10 * scale)),
    "annotate: input, output, disk": lambda folder, seed, scale: outputs.run(folder, seed, int(150 * scale)),
    "commands: input, output, disk": lambda folder, seed, scale: inputs.run(folder, seed),
    "hostile folders": lambda folder, seed, scale: folders.run(folder, seed, int(200 * scale)),
    "malformed answers": lambda folder, seed, scale: answers.run(folder, seed, int(150 * scale)),
    "one cache for many": lambda folder, seed, scale: answers.together(folder, seed, 8, 6),
    "the page": lambda folder, seed, scale: page.run(folder, seed, int(200 * scale)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*TRIALS, []], metavar="PART", help=f"some of: {', '.join(TRIALS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer kills and faults (1)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.update(HF_HUB_OFFLINE="1", OPENAI_API_KEY="none", TOKENIZERS_PARALLELISM="false")
    tallies, seconds = {}, {}
    for name in options.parts or TRIALS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            tallies[name] = TRIALS[name](Path(folder), options.seed, options.scale)
        seconds[name] = round(time.monotonic() - began)
        print(f"{name}: {tallies[name].to_dict()}", flush=True)
    figures = {name: {**tally.to_dict(), "seconds": seconds[name]} for name, tally in tallies.items()}
    report("reliability", {"seed": options.seed, "scale": options.scale, "trials": figures})
    print(table(tallies))


if __name__ == "__main__":
    main()
