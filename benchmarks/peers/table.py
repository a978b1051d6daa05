"""Put what the systems' scripts measured into results/peers.json, each averaged over its seeds, and print the table of peers.md.

usage: python -m benchmarks.peers.table FOLDER
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import RESULTS

#: What is averaged over the seeds.
FIGURES = ("f1", "training_seconds", "sentences_per_cpu_second", "peak_memory_mb")
#: What is the same in all runs of a system.
SAME = ("system", "setting", "trained_on", "train", "test", "versions")
HEADER = """\
| system | F1 %, mean (lowest to highest) | training, s | sentences per CPU second | peak memory, MB | setting |
|---|---:|---:|---:|---:|---|"""


def over_seeds(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean, lowest and highest of each figure of one system.

    Raises:
        ValueError: If the runs differ in more than their seed.
    """
    for key in SAME:
        if any(run[key] != runs[0][key] for run in runs):
            raise ValueError(f"the runs of {runs[0]['system']} differ in {key}: delete those of another setting")
    figures = {}
    for name in FIGURES:
        values = [run[name] for run in runs]
        figures[name] = {"mean": statistics.mean(values), "lowest": min(values), "highest": max(values), "of_seeds": values}
    return {**{key: runs[0][key] for key in SAME}, "seeds": [run["seed"] for run in runs], **figures}


def row(system: dict[str, Any]) -> str:
    f1 = {name: f"{100 * system['f1'][name]:.1f}" for name in ("mean", "lowest", "highest")}
    others = (f"{system[name]['mean']:,.{system[name]['mean'] < 10:d}f}" for name in FIGURES[1:])
    cells = (system["system"], f"{f1['mean']} ({f1['lowest']} to {f1['highest']})", *others, system["setting"])
    return f"| {' | '.join(cells)} |"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.peers.table FOLDER")
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(sys.argv[1], "results").glob("*.json"))]
    names = dict.fromkeys(run["system"] for run in found)
    systems = [over_seeds([run for run in found if run["system"] == name]) for name in names]
    systems.sort(key=lambda system: -system["f1"]["mean"])
    text = json.dumps({"systems": systems}, ensure_ascii=False, indent=2)
    (RESULTS / "peers.json").write_text(text + "\n", encoding="utf-8")
    print("\n".join([HEADER, *map(row, systems)]))


if __name__ == "__main__":
    main()
