"""The runs of benchmarks.bootstrap together: results/bootstrap-SET-SEED.json into results/bootstrap.json and a Markdown table.

python -m benchmarks.bootstrap_table
"""

from __future__ import annotations

import json
import statistics
from typing import Any

from benchmarks.side_by_side import RESULTS

SETS = {"cluener": "CLUENER", "sncm_open": "SNCM-open"}


def summary(runs: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation of each condition over the seeds, and its share of the F1 of all gold."""
    found = {}
    for name, first in runs[0].items():
        if "test" not in first:
            continue
        f1 = [run[name]["test"] for run in runs]
        found[name] = {
            "dev": round(statistics.mean(run[name]["dev"] for run in runs), 1),
            "test": round(statistics.mean(f1), 1),
            "sd": round(statistics.stdev(f1), 1),
            "share": round(100 * statistics.mean(run[name]["test"] / run["gold"]["test"] for run in runs), 1),
        }
    return found


def main() -> None:
    read = {
        name: [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob(f"bootstrap-{name}-*.json"))]
        for name in SETS
    }
    table = {name: summary([one["conditions"] for one in runs]) for name, runs in read.items()}
    about = {
        "seeds": [one["about"]["seed"] for one in read["cluener"]],
        "records": {name: runs[0]["about"]["records"] for name, runs in read.items()},
        "machine": read["cluener"][0]["about"]["machine"],
    }
    text = json.dumps({"about": about, "f1": table}, ensure_ascii=False, indent=1)
    (RESULTS / "bootstrap.json").write_text(text + "\n", encoding="utf-8")
    print("| trained on | " + " | ".join(f"{title}: F1 % | of gold's" for title in SETS.values()) + " |")
    print("|---|" + "--:|--:|" * len(SETS))
    for condition in table["cluener"]:
        cells = (table[name][condition] for name in SETS)
        print(f"| {condition} | " + " | ".join(f"{c['test']} ± {c['sd']} | {c['share']} %" for c in cells) + " |")


if __name__ == "__main__":
    main()
