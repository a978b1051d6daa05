"""Compares rules for the weights to keep, on trainings that `benchmarks.choosing_weights` has run to their end.

usage: python -m benchmarks.choosing_weights_table FOLDER [--draws 1000]

The sentences that a training did not draw are cut in two many times over: so many are dev, by which each rule chooses, and the
others measure what it keeps. So the chance of the dev draw is averaged out, and one training tells about dev sets of any size.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.choosing_weights import FRESH
from benchmarks.side_by_side import RESULTS, machine
from hybridner.training.stopping import kept_evaluation

FILE = RESULTS / "choosing_weights.json"
SIZES = (10, 20, 40, 100, 200)
PATIENCE = 6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Dev:
    """A training's figures on some sentences.

    Attributes:
        f1: [evaluations], the mean over the members.
        excess: [evaluations, sentences], what each sentence adds to it beyond its share, to the first order.
    """

    f1: Floats
    excess: Floats

    @classmethod
    def of(cls, counts: Floats) -> Dev:
        """Of [evaluations, sentences, members, 3] correct, predicted and gold entities."""
        correct, sizes = counts[..., 0], counts[..., 1] + counts[..., 2]
        total = np.maximum(sizes.sum(1, keepdims=True), 1)
        f1 = 2 * correct.sum(1, keepdims=True) / total
        return cls(f1.mean((1, 2)), ((2 * correct - f1 * sizes) / total).mean(2))

    def errors(self) -> Floats:
        """Standard errors of the evaluations' F1."""
        return deviation(self.excess)


def deviation(excess: Floats) -> Floats:
    deviations: Floats = np.sqrt(excess.shape[-1] / (excess.shape[-1] - 1) * (excess**2).sum(-1))
    return deviations


#: Says which evaluation to keep; with patience it is asked after each.
Rule = Callable[[Dev], int]


def highest(dev: Dev) -> int:
    return int(dev.f1.argmax())


def mean_of_last(width: int) -> Rule:
    def keep(dev: Dev) -> int:
        return int(np.argmax([dev.f1[max(0, now - width + 1) : now + 1].mean() for now in range(len(dev.f1))]))

    return keep


def mean_around(width: int) -> Rule:
    def keep(dev: Dev) -> int:
        half = width // 2
        return int(np.argmax([dev.f1[max(0, now - half) : now + half + 1].mean() for now in range(len(dev.f1))]))

    return keep


def smoothed(dev: Dev) -> int:
    """The rule of `HybridNerTrainer`."""
    return kept_evaluation(dev.f1.tolist(), dev.errors().tolist())


def latest_within(errors: float) -> Rule:
    def keep(dev: Dev) -> int:
        best = int(dev.f1.argmax())
        good = dev.f1 > dev.f1[best] - errors * dev.errors()[best]
        return max(best, int(np.flatnonzero(good)[-1])) if good.any() else best

    return keep


def latest_within_paired(errors: float) -> Rule:
    """With the error of the difference on the same sentences."""

    def keep(dev: Dev) -> int:
        best = int(dev.f1.argmax())
        behind = dev.f1 > dev.f1[best] - errors * deviation(dev.excess - dev.excess[best])
        behind[best] = True
        return int(np.flatnonzero(behind)[-1])

    return keep


RULES: dict[str, tuple[Rule, int | None]] = {
    "highest F1, patience 6": (highest, PATIENCE),
    "highest F1": (highest, None),
    "highest mean of the last 3, patience 6": (mean_of_last(3), PATIENCE),
    "highest mean of 3 around": (mean_around(3), None),
    "highest mean of 5 around": (mean_around(5), None),
    "highest mean of the last 5, patience 6": (mean_of_last(5), PATIENCE),
    "highest mean of the last 5 within 1 standard error, patience 6": (smoothed, PATIENCE),
    "latest within 1/2 standard error, patience 6": (latest_within(0.5), PATIENCE),
    "latest within 1 standard error, patience 6": (latest_within(1), PATIENCE),
    "latest within 1/2 standard error of the difference, patience 6": (latest_within_paired(0.5), PATIENCE),
    "latest within 1 standard error of the difference, patience 6": (latest_within_paired(1), PATIENCE),
    "latest within 2 standard errors of the difference, patience 6": (latest_within_paired(2), PATIENCE),
    "last": (lambda dev: len(dev.f1) - 1, None),
}


def run(rule: Rule, patience: int | None, dev: Dev) -> tuple[int, int]:
    """The evaluation that is kept, and after how many the training stops."""
    count = len(dev.f1)
    if patience is None:
        return rule(dev), count
    for now in range(patience, count):
        if now - (kept := rule(Dev(dev.f1[: now + 1], dev.excess[: now + 1]))) >= patience:
            return kept, now + 1
    return rule(dev), count


def draws(counts: Floats, size: int, number: int) -> Iterator[tuple[Dev, Floats]]:
    """Figures on dev sets, and the F1 of all evaluations on the sentences that are not in them."""
    whole = counts.sum(1)
    generator = np.random.default_rng(0)
    for _ in range(number):
        part = counts[:, generator.choice(counts.shape[1], size, replace=False)]
        rest = whole - part.sum(1)
        yield Dev.of(part), (2 * rest[..., 0] / np.maximum(rest[..., 1] + rest[..., 2], 1)).mean(1)


def compare(counts: Floats, size: int, number: int) -> dict[str, dict[str, float]]:
    """What each rule keeps, in points of F1 above the rule "highest F1, patience 6", on average over the draws."""
    found: dict[str, list[tuple[float, int]]] = {rule: [] for rule in RULES}
    for dev, f1 in draws(counts, size, number):
        for name, (rule, patience) in RULES.items():
            kept, ran = run(rule, patience, dev)
            found[name].append((100 * f1[kept], ran))
    first = np.array([f1 for f1, _ in found[next(iter(RULES))]])
    report = {}
    for name, entries in found.items():
        f1 = np.array([value for value, _ in entries])
        report[name] = {
            "f1": round(f1.mean(), 2),
            "gain": round((f1 - first).mean(), 2),
            "worst_twentieth": round(float(np.quantile(f1, 0.05)), 2),
            "evaluations": round(float(np.mean([ran for _, ran in entries])), 1),
        }
    return report


def read_cell(path: Path) -> tuple[dict[str, Any], Floats]:
    """A training, and the [evaluations, sentences, members, 3] counts of its fresh sentences."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    counts = np.array([line["counts"] for line in lines], float)
    losses = np.array([line["losses"] for line in lines], float)
    dev = counts.shape[1] - FRESH
    cell = {name: lines[0][name] for name in ("set", "sentences", "seed", "layers", "longest")}
    own = Dev.of(counts[:, :dev])
    gold = counts[0, :, 0, 2]
    about = {"dev": dev, "dev_entities": int(gold[:dev].sum()), "fresh": FRESH, "fresh_entities": int(gold[dev:].sum())}
    figures = {"dev_f1": own.f1, "dev_error": own.errors(), "fresh_f1": Dev.of(counts[:, dev:]).f1}
    about["fresh_loss"] = losses[:, dev:].mean(1).round(3).tolist()
    kept = {name: run(rule, patience, own)[0] for name, (rule, patience) in RULES.items()}
    rounded = {name: (100 * values).round(2).tolist() for name, values in figures.items()}
    return {**cell, **about, **rounded, "kept": kept}, counts[:, dev:]


def table(cells: list[dict[str, Any]]) -> str:
    """Gains over the first rule as Markdown, means over the trainings; in brackets those of the worst twentieth of the draws."""
    sizes = [str(size) for size in SIZES]
    lines = [f"| rule | {' | '.join(sizes)} | evaluations at 20 |", f"|---|{'--:|' * (len(sizes) + 1)}"]
    for rule in RULES:
        gains = [float(np.mean([cell["rules"][size][rule]["gain"] for cell in cells])) for size in sizes]
        low = [float(np.mean([cell["rules"][size][rule]["worst_twentieth"] for cell in cells])) for size in sizes]
        base = [float(np.mean([cell["rules"][size][next(iter(RULES))]["worst_twentieth"] for cell in cells])) for size in sizes]
        row = [f"{gain:+.2f} ({worst - first:+.1f})" for gain, worst, first in zip(gains, low, base, strict=True)]
        ran = np.mean([cell["rules"]["20"][rule]["evaluations"] for cell in cells])
        lines.append(f"| {rule} | {' | '.join(row)} | {ran:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    cells = []
    for path in sorted(options.folder.glob("*.jsonl")):
        last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        if last["step"] == last["steps"]:
            cell, counts = read_cell(path)
            rules = {str(size): compare(counts, size, options.draws) for size in SIZES}
            cells.append({**cell, "rules": rules})
            print(path.stem, cell["fresh_f1"], flush=True)
    report = {"machine": {**machine(), "mixed_precision": "bf16"}, "draws": options.draws, "cells": cells}
    FILE.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(table(cells))


if __name__ == "__main__":
    main()
