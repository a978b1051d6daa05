"""The whole trial, or parts of it: `python -m benchmarks.reliability FOLDER --seed 7 [PART ...]`.

Each part is kept in FOLDER for this commit, so that the script goes on when started again. When all parts are there, their table
is written to results/.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.reliability import answers, folders, inputs, kills, outputs, page, service, terminal
from benchmarks.reliability.tally import Tally, table
from benchmarks.side_by_side import RESULTS, kept, report

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
    "terminal": lambda folder, seed, scale: terminal.run(folder, seed, int(100 * scale)),
    "data sets": lambda folder, seed, scale: service.data_sets(folder, seed, int(60 * scale)),
    "the service": lambda folder, seed, scale: service.requests(folder, seed, int(200 * scale)),
    "the page": lambda folder, seed, scale: page.run(folder, seed, int(200 * scale)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of: {', '.join(TRIALS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="more or fewer kills and faults (1)")
    options = parser.parse_args()
    if unknown := set(options.parts) - TRIALS.keys():
        parser.error(f"no such part: {', '.join(unknown)}")
    torch.set_num_threads(1)
    os.environ.update(HF_HUB_OFFLINE="1", OPENAI_API_KEY="none", TOKENIZERS_PARALLELISM="false")
    commit = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    place: Path = options.folder / f"{commit}-{options.seed}-{options.scale:g}"

    def run(name: str) -> dict[str, Any]:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            tally = TRIALS[name](Path(folder), options.seed, options.scale)
        return {"seconds": round(time.monotonic() - began), "tally": asdict(tally)}

    def file_of(name: str) -> Path:
        return place / f"{name.replace(' ', '-').replace(':', '').replace(',', '')}.json"

    for name in options.parts or TRIALS:
        kept(file_of(name), lambda name=name: run(name))  # type: ignore[misc]
    if all(file_of(name).exists() for name in TRIALS):
        parts = {name: kept(file_of(name), dict) for name in TRIALS}
        about = {"commit": commit, "seed": options.seed, "scale": options.scale}
        figures = {name: {**part["tally"], "seconds": part["seconds"]} for name, part in parts.items()}
        report("reliability", {**about, "trials": figures})
        rows = table({name: Tally(**part["tally"]) for name, part in parts.items()})
        (RESULTS / "reliability.md").write_text(_PAGE.format(**about, table=rows), encoding="utf-8")
        print(rows)


_PAGE = """\
# Kills, failing disks, hostile folders and inputs

`python -m benchmarks.reliability FOLDER --seed {seed} --scale {scale:g}` at commit {commit}; a tiny composite with random
weights, texts made by the script, CPU, one thread. Moments, places and kinds of the faults are drawn from the seed. A kill is
SIGKILL at a random moment; *records* are texts, rows or sentences whose fate was compared with the undisturbed run. What may not
happen: a record *lost* (or another than undisturbed), a record *doubled*, code of a folder *executed* (or standard input read, or
a terminal commanded), a *traceback* or no answer at all.

{table}
"""


if __name__ == "__main__":
    main()
