"""F1 against the share of spans routed, for simulated verifiers behind a real composite. No LLM is asked."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from benchmarks.side_by_side import RESULTS, report
from hybridner import HybridNerModel
from hybridner.data import read_records
from hybridner.llm import FUSIONS, draw_curves, simulate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("composite")
    parser.add_argument("evaluation", help="labelled file")
    parser.add_argument("--name", default="cluener", help="of the data, for the picture (cluener)")
    options = parser.parse_args()

    model, records = HybridNerModel.from_pretrained(options.composite), read_records(options.evaluation)
    candidates = [list(found.candidates) for found in model.predict([record.text for record in records], batch_size=32)]
    figures = {}
    for fusion in FUSIONS:
        curves = simulate(candidates, [record.entities for record in records], model.config.labels, fusion=fusion)
        figures[fusion] = [asdict(curve) for curve in curves]
        title = f"{options.name}, {len(records)} sentences, fusion: {fusion}"
        (RESULTS / f"llm_curve_{fusion}.svg").write_text(draw_curves(curves, title), encoding="utf-8")
    about = {"file": Path(options.evaluation).name, "sentences": len(records), "candidates": sum(map(len, candidates))}
    report("llm_curve", {"simulated": True, "evaluation": about, "curves": figures})


if __name__ == "__main__":
    main()
