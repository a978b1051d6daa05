"""What a newcomer waits for, in a clean environment: installation, import, first entities; and what each extra takes on the disk.

python -m benchmarks.first_contact
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
EXTRAS = ("llm", "space", "serve", "onnx", "spacy", "plots", "metrics", "stacking", "ontology", "ray")
ROUNDS = 5
TEXT = "2023年，俄罗斯在叙利亚部署了干扰机。"
#: What is timed, each in a process of its own, in turns.
STARTS = {
    "import torch, transformers": "import torch, transformers; from transformers import pipeline, PreTrainedModel",
    "import hybridner": "import hybridner",
    "import hybridner and its models": "import hybridner, transformers; hybridner.HybridNerModel, hybridner.HybridNerPipeline",
    "first entities": f"import hybridner; from transformers import pipeline; assert pipeline('hybrid-ner')({TEXT!r})",
}


def seconds(command: list[str], folder: Path) -> float:
    """Wall clock of a command that has to succeed."""
    began = time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return time.perf_counter() - began


def megabytes(folder: Path) -> int:
    """Of all files in it, as they lie on the disk."""
    return int(subprocess.run(["du", "-sm", str(folder)], check=True, capture_output=True, text=True).stdout.split()[0])


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        seconds([sys.executable, "-m", "venv", str(work / "venv")], ROOT)
        python = str(work / "venv" / "bin" / "python")
        (packages,) = (work / "venv" / "lib").glob("python3*/site-packages")
        seconds([python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(work), "."], ROOT)
        (wheel,) = work.glob("hybridner-*.whl")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", str(ROOT / "constraints.txt")]
        empty = megabytes(packages)
        figures: dict[str, Any] = {
            "wheel_megabytes": round(wheel.stat().st_size / 1e6, 1),
            "install_seconds": round(seconds([*pip, str(wheel)], work), 1),
            "megabytes": megabytes(packages) - empty,
        }
        runs: dict[str, list[float]] = {start: [] for start in STARTS}
        for number in range(ROUNDS + 1):
            for start, code in STARTS.items():
                spent = seconds([python, "-c", code], work)
                if number:  # the first round compiles, and fills the file cache
                    runs[start].append(spent)
        theirs = runs["import torch, transformers"]
        figures["starts"] = {
            start: {
                "seconds": round(statistics.median(ours), 2),
                "times_import_of_transformers": round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 2),
            }
            for start, ours in runs.items()
        }
        figures["extra_megabytes"], before = {}, megabytes(packages)
        for extra in EXTRAS:
            seconds([*pip, f"{wheel}[{extra}]"], work)
            after = megabytes(packages)
            figures["extra_megabytes"][extra], before = after - before, after
    from benchmarks.side_by_side import report

    report(
        "first_contact",
        {"rounds": ROUNDS, "extras": "installed one after the other, so that what two share counts once", **figures},
    )


if __name__ == "__main__":
    main()
