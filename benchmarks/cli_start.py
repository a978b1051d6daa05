"""What starting the command line costs: CPU time and memory beside `import torch`, in turns, each in a process of its own."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from typing import Any

ROUNDS = 5
TORCH = [sys.executable, "-c", "import torch"]
STARTS = {
    "--version": [sys.executable, "-m", "hybridner", "--version"],
    "--help": [sys.executable, "-m", "hybridner", "--help"],
    "predict --help": [sys.executable, "-m", "hybridner", "predict", "--help"],
    "import hybridner": [sys.executable, "-c", "import hybridner"],
}


def cost(command: list[str]) -> tuple[float, float]:
    """User and system seconds of a process, and the megabytes it held at most."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ("import torch", *STARTS)}
    for number in range(ROUNDS + 1):
        for name, command in {"import torch": TORCH, **STARTS}.items():
            spent = cost(command)
            if number:  # the first round fills the file cache
                runs[name].append(spent)
    torch_seconds = [seconds for seconds, _ in runs["import torch"]]
    figures: dict[str, Any] = {
        name: {
            "cpu_seconds": round(statistics.median(seconds for seconds, _ in spent), 3),
            "megabytes": round(statistics.median(megabytes for _, megabytes in spent)),
            "share_of_import_torch": round(
                statistics.median(ours / other for (ours, _), other in zip(spent, torch_seconds, strict=True)), 3
            ),
        }
        for name, spent in runs.items()
    }
    # Imported last: a process counts as at least as large as the one that started it, and this imports torch.
    from benchmarks.side_by_side import report

    report("cli_start", {"rounds": ROUNDS, **figures})


if __name__ == "__main__":
    main()
