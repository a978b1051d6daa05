"""How many labelled sentences the combiners' weights need: fitted on 20 to 300, judged on all others of the fitting part.

    python -m benchmarks.few_fitting PREDICTIONS [--study benchmarks/study.yaml]

Test parts are not read. Each size is drawn several times; the figures are means over the draws, and the lowest.
"""

from __future__ import annotations

from statistics import fmean
from typing import Any

import numpy as np

from benchmarks.side_by_side import report
from benchmarks.study_turns import turns_of
from hybridner.calibration import fit_settings
from hybridner.evaluation import score_spans, systems_of
from hybridner.study import Turn

SIZES = (20, 50, 100, 300)
DRAWS = 5
STRATEGIES = ("majority", "mean", "score", "f1", "class_f1", "pool")
#: Judging more sentences than this only takes longer.
JUDGED = 500


def measure(turn: Turn, size: int) -> dict[str, Any] | None:
    """F1 of every strategy after fitting on so many sentences; None where too few would be left to judge."""
    everything = turn.fitting
    if 2 * size > len(everything):
        return None
    f1: dict[str, list[float]] = {name: [] for name in STRATEGIES}
    for draw in range(DRAWS):
        order = np.random.default_rng([draw, size]).permutation(len(everything))
        judged = everything.select_records(order[size : size + JUDGED])
        settings = fit_settings(everything.select_records(order[:size]), (), turn.about.decoding)
        gold = [record.entities for record in judged.records]
        systems = systems_of(judged, settings, STRATEGIES)
        for name in STRATEGIES:
            f1[name].append(score_spans(gold, systems[f"strategy:{name}"]).micro.f1)
    plain = [max(values) for values in zip(f1["majority"], f1["mean"], f1["score"], strict=True)]
    return {
        "judged": min(len(everything) - size, JUDGED),
        "f1": {name: fmean(values) for name, values in f1.items()},
        "pool_minus_score": {
            "mean": fmean(f1["pool"]) - fmean(f1["score"]),
            "lowest": min(a - b for a, b in zip(f1["pool"], f1["score"], strict=True)),
        },
        "pool_minus_best_unfitted": {
            "mean": fmean(f1["pool"]) - fmean(plain),
            "lowest": min(a - b for a, b in zip(f1["pool"], plain, strict=True)),
        },
    }


def main() -> None:
    study, turns = turns_of(__doc__)
    figures: dict[str, Any] = {"encoder": study.encoder, "draws": DRAWS, "sets": {}}
    for turn in turns:
        found = {str(size): figure for size in SIZES if (figure := measure(turn, size)) is not None}
        figures["sets"][f"{turn.name}-{turn.seed}"] = {"fitted_on": turn.metadata().fitted_on, "sizes": found}
        print(turn.name, turn.seed, {n: {k: round(100 * v, 2) for k, v in f["f1"].items()} for n, f in found.items()}, flush=True)
    report("few_fitting", figures)


if __name__ == "__main__":
    main()
