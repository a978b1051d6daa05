"""What a composite knows of its own ignorance: every figure of results/unknown_texts.json, one part at a time.

  python -m benchmarks.unknown_texts scores --data DATA --text TEXT --work FOLDER
  python -m benchmarks.unknown_texts errors --predictions FOLDER --work FOLDER      # after scores
  python -m benchmarks.unknown_texts promise --predictions FOLDER
  python -m benchmarks.unknown_texts routing --predictions FOLDER --answers labels.jsonl
  python -m benchmarks.unknown_texts cost
  python -m benchmarks.unknown_texts background --text TEXT > general.txt           # as for the bundled model

DATA is a folder of CLUENER, CMeEE, MSRA and the SNCM draft (by default HYBRIDNER_DATA), TEXT a large file of general Chinese
(.txt or .xz). What has been read stays in the work folder. Each part replaces its own figures, and unknown_texts.md is written
anew.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.side_by_side import RESULTS, machine
from benchmarks.unknown_texts import cost, errors, promise, routing, scores
from benchmarks.unknown_texts.composites import composites
from benchmarks.unknown_texts.markdown import write_page
from benchmarks.unknown_texts.reading import GENERAL, Readings, bundled
from benchmarks.unknown_texts.texts import general_sentences, known_texts


def _scores(options: argparse.Namespace) -> dict[str, Any]:
    return scores.measure(Readings.of(options.data, options.text, options.work))


def _errors(options: argparse.Namespace) -> dict[str, Any]:
    figures, curves = {}, {}
    for composite in composites(options.predictions):
        name = f"{composite.name}, seed {composite.seed}"
        figures[name], curves[name] = errors.in_domain(composite)
        print(name, json.dumps(figures[name]), flush=True)
    errors.draw(curves, RESULTS / "unknown_texts_risk.png")
    return {"in domain": figures, "beyond": errors.beyond(Readings.of(options.data, options.text, options.work))}


def _promise(options: argparse.Namespace) -> dict[str, Any]:
    figures = {}
    for composite in composites(options.predictions):
        values, wrong, texts = errors.entities_of(composite)
        name = f"{composite.name}, seed {composite.seed}"
        figures[name] = promise.measure(values["score"], wrong, texts)
        print(name, json.dumps(figures[name]), flush=True)
    return figures


def _routing(options: argparse.Namespace) -> dict[str, Any]:
    figures = {}
    for composite in composites(options.predictions):
        if composite.name in routing.ANSWERED and composite.seed == 42:
            recorded = routing.load(composite, options.answers)
            figures[composite.name] = routing.measure(recorded)
            print(composite.name, json.dumps(figures[composite.name]), flush=True)
    return figures


def _cost(options: argparse.Namespace) -> dict[str, Any]:
    return cost.measure(bundled(), known_texts()["test"][:40])


_PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "scores": _scores,
    "errors": _errors,
    "promise": _promise,
    "routing": _routing,
    "cost": _cost,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*_PARTS, "background", "page"])
    parser.add_argument("--data", type=Path, default=os.environ.get("HYBRIDNER_DATA"))
    parser.add_argument("--text", type=Path)
    parser.add_argument("--work", type=Path, help="folder of what has been read")
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--answers", type=Path)
    options = parser.parse_args()
    if options.part == "background":
        print("\n".join(general_sentences(options.text, GENERAL)))
        return
    path = RESULTS / "unknown_texts.json"
    figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if options.part in _PARTS:
        figures[options.part] = {"machine": machine(), **_PARTS[options.part](options)}
        path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write_page(figures, RESULTS / "unknown_texts.md")


if __name__ == "__main__":
    main()
