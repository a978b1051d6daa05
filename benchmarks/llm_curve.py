"""F1 against the share of spans routed, for simulated verifiers behind a real composite. No LLM is asked, no model is needed.

python -m benchmarks.llm_curve PREDICTIONS/cluener-42-test.parquet --fit PREDICTIONS/cluener-42-fold*.parquet
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

from benchmarks.side_by_side import RESULTS, report
from hybridner.calibration import fit_settings
from hybridner.ensemble import Predictions, concat_predictions, decide_predictions
from hybridner.llm import FUSIONS, draw_curves, simulate
from hybridner.spans import LabelSet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test", type=Path, help="stored predictions")
    parser.add_argument("--fit", nargs="+", required=True, help="predictions that the combiner is fitted on")
    parser.add_argument("--name", default="CLUENER dev", help="of the data, for the picture (CLUENER dev)")
    options = parser.parse_args()

    fit = concat_predictions([Predictions.load(path) for path in options.fit])
    test = Predictions.load(options.test)
    candidates = decide_predictions(test, replace(fit_settings(fit), strategy="pool", uncertainty="score"))
    gold, labels = [record.entities for record in test.records], LabelSet.of(test.labels[1:])
    figures = {}
    for fusion in FUSIONS:
        curves = simulate(candidates, gold, labels, fusion=fusion)
        figures[fusion] = [asdict(curve) for curve in curves]
        title = f"{options.name}, {len(gold)} sentences, fusion: {fusion}"
        (RESULTS / f"llm_curve_{fusion}.svg").write_text(draw_curves(curves, title), encoding="utf-8")
    about = {"file": options.test.name, "strategy": "pool", "sentences": len(gold), "candidates": sum(map(len, candidates))}
    report("llm_curve", {"simulated": True, "evaluation": about, "curves": figures})


if __name__ == "__main__":
    main()
