"""F1 of composites with one encoder and with four, trained on a whole set, from their stored predictions about its test part.

usage: python -m benchmarks.one_pass_full NAME=PREDICTIONS.parquet... [--hardware WORDS]

Several files of one NAME are its seeds. `hybridner evaluate`'s systems, uncalibrated, so that nothing is fitted.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from benchmarks.side_by_side import report
from hybridner.ensemble import DecisionSettings, Predictions
from hybridner.evaluation import score_spans, systems_of

STRATEGIES = ("majority", "score", "mean")


def f1_of(predictions: Predictions) -> dict[str, float]:
    """In percent, by member and strategy."""
    gold = [record.entities for record in predictions.records]
    systems = systems_of(predictions, DecisionSettings(), STRATEGIES)
    return {name.removeprefix("strategy:"): 100 * score_spans(gold, found).micro.f1 for name, found in systems.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="+", metavar="NAME=PREDICTIONS")
    parser.add_argument("--hardware", help="what the members were trained on, when not this machine")
    options = parser.parse_args()
    runs: dict[str, list[dict[str, float]]] = {}
    texts = set()
    for case in options.cases:
        name, _, file = case.partition("=")
        predictions = Predictions.load(file)
        texts.add(len(predictions))
        runs.setdefault(name, []).append(f1_of(predictions))
        print(name, {system: round(value, 2) for system, value in runs[name][-1].items()}, flush=True)
    found: dict[str, Any] = {
        name: {
            system: {"mean": round(statistics.mean(values), 2), "of_seeds": [round(value, 2) for value in values]}
            for system in seeds[0]
            for values in [[seed[system] for seed in seeds]]
        }
        for name, seeds in runs.items()
    }
    report("one_pass_full", {"sentences": sorted(texts), "f1": found}, options.hardware)


if __name__ == "__main__":
    main()
