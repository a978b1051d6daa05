"""What few labelled sentences bring: members and strategies after training on 50 to 1,000 of them, a fifth for early stopping.

usage: python -m benchmarks.small_data ENCODER NAME=TRAIN=TEST... [--sizes 50 100 200 500 1000] [--seeds 42 43 44] [--separate]

Every finished training joins results/small_data.json at once, and what is there is not trained again, so that a stopped
measurement goes on, here or on another machine. `--table` trains nothing and says which cells are missing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmarks.side_by_side import RESULTS, machine
from hybridner import HybridNerModel
from hybridner.data import collect_labels, read_records, split_records, write_jsonl
from hybridner.evaluation import evaluate_systems
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import Record
from hybridner.training import recipe_from_dict, run_recipe

FILE = RESULTS / "small_data.json"
SIZES, SEEDS = (50, 100, 200, 500, 1000), (42, 43, 44)
#: The defaults of `hybridner train`; earlier runs trained in other ways have other words here: "at least 500 steps" kept the
#: weights of the highest F1 on dev.
HOW = "at least 500 steps, choice smoothed"
SEPARATE = f"{HOW}, an encoder for each member"
TAGGERS = [name for name in MEMBER_CLASSES if name != "spanner"]
STRATEGIES = ("majority", "score", "mean")


def draw(records: Sequence[Record], size: int, seed: int) -> list[Record]:
    """So many of the records, in their order, each a document of its own."""
    order = torch.randperm(len(records), generator=torch.Generator().manual_seed(seed)).tolist()
    return [Record(records[n].text, records[n].entities, id=str(k)) for k, n in enumerate(sorted(order[:size]))]


def train(
    encoder: str, layers: int, pool: Sequence[Record], test: Sequence[Record], size: int, seed: int, shared: bool
) -> dict[str, Any]:
    """F1 on test, in percent, of all members and strategies; rates, passes and steps as `hybridner train` has them by itself."""
    records, dev = split_records(draw(pool, size, seed), 0.2, seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, part in (("train", records), ("dev", dev)):
            write_jsonl(part, folder / f"{name}.jsonl")
        (folder / "labels.yaml").write_text(json.dumps(collect_labels(pool).to_dict(), ensure_ascii=False), encoding="utf-8")
        recipe = {
            "data": {"train": f"{folder}/train.jsonl", "dev": f"{folder}/dev.jsonl", "labels": f"{folder}/labels.yaml"},
            "members": {name: {"type": name, "encoder": encoder, "num_hidden_layers": layers} for name in MEMBER_CLASSES},
            "training": {"output": f"{folder}/run", "seed": seed, "shared_encoder": shared, "mixed_precision": "auto"},
        }
        model = HybridNerModel.from_pretrained(run_recipe(recipe_from_dict(recipe)))
    scores = evaluate_systems(model, test, STRATEGIES)
    f1 = {name.removeprefix("strategy:"): round(100 * found.micro.f1, 2) for name, found in scores.items()}
    return {"train": len(records), "dev": len(dev), "device": machine()["processor"], "f1": f1}


def table(runs: Sequence[dict[str, Any]]) -> str:
    """The figures as Markdown: mean and standard deviation over the seeds, and the cells that are missing."""
    groups: dict[tuple[str, int, str], list[dict[str, float]]] = {}
    for run in sorted(runs, key=lambda run: (run["set"], run["sentences"], run["how"])):
        groups.setdefault((run["set"], run["sentences"], run["how"]), []).append(run["f1"])
    lines = [
        "| set | sentences | training | seeds | best tagger | SpanNER | majority | score | mean |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (name, size, how), found in groups.items():
        columns = [[max(f1[tagger] for tagger in TAGGERS) for f1 in found]]
        columns += [[f1[system] for f1 in found] for system in ("spanner", *STRATEGIES)]
        lines.append(f"| {name} | {size:,} | {how} | {len(found)} | {' | '.join(map(spread, columns))} |")
    done = {(run["set"], run["sentences"], run["seed"]) for run in runs if run["how"] == HOW}
    missing = [cell for cell in product(sorted({run["set"] for run in runs}), SIZES, SEEDS) if cell not in done]
    lines.append(f"\n{len(missing)} cells of {len(missing) + len(done)} are missing (set, sentences, seed):\n")
    for name, size in dict.fromkeys(cell[:2] for cell in missing):
        lines.append(f"- {name}, {size:,}: seeds {', '.join(str(c[2]) for c in missing if c[:2] == (name, size))}")
    return "\n".join(lines)


def spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.1f}" + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder", nargs="?")
    parser.add_argument("sets", nargs="*", metavar="NAME=TRAIN=TEST")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--separate", action="store_true", help="an encoder for each member instead of one for all")
    parser.add_argument("--table", action="store_true", help="only print the table of what has been measured")
    options = parser.parse_args()
    known: dict[str, Any] = {"machine": machine(), "runs": []}
    if FILE.exists():
        known = json.loads(FILE.read_text(encoding="utf-8"))
    # The smallest first: they cost least and say most.
    for size, case, seed in () if options.table else product(options.sizes, options.sets, options.seeds):
        name, train_file, test_file = case.split("=")
        cell = {"set": name, "sentences": size, "how": SEPARATE if options.separate else HOW, "seed": seed}
        if any(cell.items() <= run.items() for run in known["runs"]):
            continue
        files = read_records(train_file), read_records(test_file)
        figures = train(options.encoder, options.layers, *files, size, seed, not options.separate)
        known["runs"].append({**cell, **figures})
        print(known["runs"][-1], flush=True)
        FILE.write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(table(known["runs"]))


if __name__ == "__main__":
    main()
