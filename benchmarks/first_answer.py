"""How long a newcomer waits: the first answer of a model in a fresh process, its files already in the system's cache."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

SENTENCE = "2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机。"
SCRIPT = """
import sys
from transformers import pipeline
import hybridner
ner = pipeline("hybrid-ner", None if sys.argv[1] == "bundled" else sys.argv[1])
print(ner(sys.argv[2])[0], flush=True)
"""


def once(command: list[str]) -> tuple[float, float, float]:
    """Seconds until the process writes something or ends, and until it has ended; user and system seconds of it all."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(1)
    answered = time.monotonic() - began
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return answered, time.monotonic() - began, usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default="bundled")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    model, rounds = options.model, options.rounds
    commands = {
        "import torch": [sys.executable, "-c", "import torch; print(flush=True)"],
        "pipeline": [sys.executable, "-c", SCRIPT, model, SENTENCE],
        "hybridner predict": [sys.executable, "-m", "hybridner", "predict", model, SENTENCE],
    }
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            spent = once(command)
            if number:  # the first round fills the file cache
                runs[name].append(spent)
    # Imported last: this imports torch.
    from benchmarks.side_by_side import report

    parts = ("answer_seconds", "wall_seconds", "cpu_seconds")
    figures = {
        name: {part: round(statistics.median(values), 2) for part, values in zip(parts, zip(*spent, strict=True), strict=True)}
        for name, spent in runs.items()
    }
    report("first_answer", {"rounds": rounds, "model": model, "load": round(os.getloadavg()[0], 1), **figures})


if __name__ == "__main__":
    main()
