"""Few-shot adaptation: LoRA adapters against full fine-tuning, by the number of sentences. F1 on dev, and megabytes.

Each run is kept in a file of its own, so that a stopped measurement goes on. Learning rates are tried with --tune on sentences
of TRAIN that no run is trained on, never on DEV.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.side_by_side import RESULTS, kept, report
from hybridner import HybridNerModel, LabelSet
from hybridner.adaptation import AdaptationSettings, adapt, fine_tune
from hybridner.data import collect_labels, read_records
from hybridner.evaluation import evaluate_systems
from hybridner.spans import Record

#: Learning rates of the encoder (LoRA matrices, or all weights) that --tune tries.
RATES = {"lora": (1e-3, 3e-3), "full": (1e-4, 3e-4)}
HEAD_RATE = 3e-3
TUNING_SENTENCES, TUNING_SIZE = 300, 100

Make = Callable[[HybridNerModel, Sequence[Record], LabelSet, AdaptationSettings], tuple[HybridNerModel, dict[str, Any]]]
MAKERS: dict[str, Make] = {
    "lora": lambda base, records, labels, settings: adapt(base, "base", records, labels, settings),
    "full": fine_tune,
}


def one_run(
    method: str,
    base: HybridNerModel,
    records: Sequence[Record],
    dev: Sequence[Record],
    labels: LabelSet,
    settings: AdaptationSettings,
) -> dict[str, Any]:
    model, made = MAKERS[method](base, records, labels, settings)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        megabytes = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
    scores = evaluate_systems(model, dev, [model.config.strategy])
    return {
        "f1": {name.removeprefix("strategy:"): result.micro.f1 for name, result in scores.items()},
        "megabytes": round(megabytes, 2),
        **{key: value for key, value in made.items() if key != "history"},
    }


def summary(runs: Sequence[dict[str, Any]], system: str) -> dict[str, float]:
    values = [100 * run["f1"][system] for run in runs]
    return {
        "f1_mean": round(statistics.mean(values), 2),
        "f1_sd": round(statistics.stdev(values), 2) if len(values) > 1 else 0.0,
        "megabytes": statistics.mean(run["megabytes"] for run in runs),
        "trained_parameters": runs[0]["trained_parameters"],
        "epochs": runs[0]["settings"]["epochs"],
    }


def tuned(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """What --tune found on the held-out sentences: F1 by method, learning rate and system; nothing where it was not run."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for method, rates in RATES.items():
        for rate in rates:
            file = folder / f"tune-{method}-{rate}.json"
            if file.exists():
                f1 = json.loads(file.read_text(encoding="utf-8"))["f1"]
                found.setdefault(method, {})[str(rate)] = {system: round(100 * value, 2) for system, value in f1.items()}
    return found


def draw(table: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    for method, sizes in table.items():
        x = [int(size) for size in sizes]
        means, deviations = ([s[name] for s in sizes.values()] for name in ("f1_mean", "f1_sd"))
        axes.errorbar(x, means, deviations, marker="o", label=method, capsize=3)
    axes.set(xscale="log", xlabel="sentences", ylabel="entity F1 on dev, % (mean and sd)", xticks=x)
    axes.set_xticklabels([str(value) for value in x])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="composite that is adapted")
    parser.add_argument("train", help="labelled file of the new domain, from which sentences are drawn")
    parser.add_argument("dev", help="labelled file to measure on")
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200, 500])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--runs", default="runs/adaptation", help="folder of the single runs")
    parser.add_argument("--tune", action="store_true", help="only try the learning rates, on sentences held out of TRAIN")
    parser.add_argument("--rates", type=float, nargs=2, metavar=("LORA", "FULL"), help="learning rates of the encoder")
    parser.add_argument("--hardware", help="what the kept runs were made on, when not this machine")
    options = parser.parse_args()

    base = HybridNerModel.from_pretrained(options.base).to("cuda" if torch.cuda.is_available() else "cpu")
    pool, dev = read_records(options.train), read_records(options.dev)
    labels = collect_labels(pool)
    random.Random(0).shuffle(pool)
    held_out, pool = pool[:TUNING_SENTENCES], pool[TUNING_SENTENCES:]
    settings = AdaptationSettings(head_learning_rate=HEAD_RATE, mixed_precision="bf16")
    folder = Path(options.runs)

    def drawn(seed: int, size: int) -> list[Record]:
        # A larger draw of the same seed holds the smaller ones.
        order = random.Random(seed).sample(range(len(pool)), max(options.sizes))
        return [pool[index] for index in order[:size]]

    if options.tune:
        for method, rates in RATES.items():
            for rate in rates:
                tried = replace(settings, encoder_learning_rate=rate, seed=0)
                kept(
                    folder / f"tune-{method}-{rate}.json",
                    partial(lambda m, s: one_run(m, base, drawn(0, TUNING_SIZE), held_out, labels, s), method, tried),
                )
        return
    chosen_rates = dict(zip(("lora", "full"), options.rates, strict=True))
    systems = (*base.member_names, "taggers:sequence-vote", "score")
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {method: {} for method in MAKERS}
    # Seeds outermost and methods side by side, so that a machine whose speed drifts favours neither.
    for seed in options.seeds:
        for size in options.sizes:
            for method in MAKERS:
                chosen = replace(settings, encoder_learning_rate=chosen_rates[method], seed=seed)
                run = kept(
                    folder / f"{method}-{size}-{seed}.json",
                    partial(lambda m, n, s: one_run(m, base, drawn(s.seed, n), dev, labels, s), method, size, chosen),
                )
                runs[method].setdefault(str(size), []).append(run)
    tables = {
        system: {method: {size: summary(of_size, system) for size, of_size in sizes.items()} for method, sizes in runs.items()}
        for system in systems
    }
    report(
        "adaptation",
        {
            "base": Path(options.base).name,
            "train": Path(options.train).parent.name + "/" + Path(options.train).name,
            "dev": {"file": Path(options.dev).parent.name + "/" + Path(options.dev).name, "sentences": len(dev)},
            "seeds": options.seeds,
            "rates": {**chosen_rates, "heads": HEAD_RATE},
            "mixed_precision": "bf16",
            "tuned": {"sentences": TUNING_SIZE, "held_out": TUNING_SENTENCES, "seed": 0, "f1": tuned(folder)},
            "by_system": tables,
        },
        options.hardware,
    )
    draw(tables["score"], RESULTS / "adaptation.png")


if __name__ == "__main__":
    main()
