"""Members that were made to differ: how alike their errors are, and what combining gains by it, from stored predictions.

usage: python -m benchmarks.differing_members PREDICTIONS NAME=WORDS...      (members as usual come first)

For each NAME the folder holds NAME-SEED-fresh.parquet, which the pool is fitted on, and NAME-SEED-test.parquet, which is judged.
The figures join those of earlier runs in results/differing_members.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.side_by_side import RESULTS
from hybridner.calibration import fit_settings
from hybridner.ensemble import Predictions
from hybridner.evaluation import score_spans, systems_of
from hybridner.evaluation.metrics import text_counts
from hybridner.evaluation.significance import f1_from_counts, resample

STRATEGIES = ("majority", "score", "mean", "pool")


def measure(folder: Path, name: str, seed: int) -> tuple[dict[str, Any], Any]:
    """The figures of one way of making members, and the resampled F1 of `mean`."""
    fresh, test = (Predictions.load(folder / f"{name}-{seed}-{part}.parquet") for part in ("fresh", "test"))
    gold = [record.entities for record in test.records]
    systems = systems_of(test, fit_settings(fresh), STRATEGIES)
    right = [np.array([e in set(row) for g, row in zip(gold, systems[m], strict=True) for e in g]) for m in test.members]
    figures: dict[str, Any] = {k: round(100 * score_spans(gold, found).micro.f1, 2) for k, found in systems.items()}
    pairs = [np.corrcoef(a, b)[0, 1] for a, b in itertools.combinations(right, 2)]
    figures["error_correlation"] = round(float(np.mean(pairs)), 3)
    return figures, 100 * f1_from_counts(resample(text_counts(gold, systems["strategy:mean"])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("variants", nargs="+", metavar="NAME=WORDS")
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    file = RESULTS / "differing_members.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"variants": {}}
    usual = None
    for variant in options.variants:
        name, words = variant.split("=", 1)
        figures, mean = measure(options.predictions, name, options.seed)
        if usual is None:
            usual = mean
        else:
            gain = mean - usual
            figures["mean_gain"] = [round(float(value), 2) for value in (gain.mean(), *np.percentile(gain, [2.5, 97.5]))]
        known["variants"].setdefault(words, {})["test"] = figures
        print(words, json.dumps(figures), flush=True)
    file.write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
