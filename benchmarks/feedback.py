"""Learning from feedback, and what to annotate next, on a composite that meets another domain with the same labels.

The reviewer is simulated: all that gold says about the texts. Each step is kept in a file of its own, so that a stopped
measurement goes on.
"""

from __future__ import annotations

import argparse
import copy
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax

from benchmarks.side_by_side import RESULTS, kept, report
from hybridner import HybridNerModel
from hybridner.adaptation import AdaptationSettings, adapt
from hybridner.adaptation.learn import GENTLE, STEP, learn_calibration, learn_members
from hybridner.adaptation.selection import next_to_annotate
from hybridner.calibration.reliability import reliability
from hybridner.data import read_records
from hybridner.data.feedback import Review, ReviewedEntity
from hybridner.evaluation import evaluate_systems
from hybridner.hybrid import CompositeModel
from hybridner.hybrid.engine import predict_records
from hybridner.llm.routing import route
from hybridner.spans import Record

POOL = 1200
#: How members may learn: whether with old data, and how far.
WAYS = {"with replay": (True, STEP), "with replay, the whole way": (True, 1.0), "without replay, the whole way": (False, 1.0)}
CURVE_EPOCHS = 10


def f1(model: CompositeModel, records: Sequence[Record]) -> float:
    return 100 * evaluate_systems(model, records, [model.config.strategy])[f"strategy:{model.config.strategy}"].micro.f1


def reviews_of(records: Sequence[Record]) -> list[Review]:
    """Complete reviews; which entities were accepted and which were added makes no difference to what is learned from them."""
    return [Review(r.text, tuple(ReviewedEntity(span, "added") for span in r.entities), True, id=r.id) for r in records]


def trust(model: HybridNerModel, records: Sequence[Record]) -> dict[str, float]:
    """How far SpanNER's confidence can be trusted, and what the model's own threshold routes and catches."""
    predictions = predict_records(model, records)
    logits, gold = predictions.ballot.logits / model.config.temperature, predictions.gold
    logs = log_softmax(logits, axis=1)
    rows = [list(found.candidates) for found in model.predict([record.text for record in records], batch_size=32)]
    routed = {(item.text, item.index) for item in route(rows, model.config.review_threshold)}
    found = [
        ((number, index) in routed, (c.start, c.end, c.label) in set(record.entities))
        for number, (row, record) in enumerate(zip(rows, records, strict=True))
        for index, c in enumerate(row)
        if c.is_entity
    ]
    wrong = [taken for taken, right in found if not right]
    return {
        "ece": reliability(np.exp(logs.max(axis=1)), logits.argmax(axis=1) == gold)["ece"],
        "nats_per_span": float(-logs[np.arange(len(gold)), gold].mean()),
        "routed_per_entity": len(routed) / max(len(found), 1),
        "wrong_entities_caught": sum(wrong) / max(len(wrong), 1),
        "temperature": model.config.temperature,
        "threshold": model.config.review_threshold.value(),
    }


def calibration(base: HybridNerModel, new: Sequence[Record], dev: Sequence[Record], sizes: Sequence[int]) -> dict[str, Any]:
    found = {"0": trust(base, dev)}
    for size in sizes:
        model = copy.deepcopy(base)
        learn_calibration(model, reviews_of(new[:size]))
        found[str(size)] = trust(model, dev)
    return found


def members(
    base: HybridNerModel,
    new: Sequence[Record],
    old: Sequence[Record],
    dev: Sequence[Record],
    old_dev: Sequence[Record],
    seed: int,
) -> dict[str, Any]:
    settings = replace(GENTLE, seed=seed, mixed_precision="bf16")
    found: dict[str, Any] = {}
    for name, (is_replaying, step) in WAYS.items():
        model, made = learn_members(base, reviews_of(new), old if is_replaying else [], settings, step)
        found[name] = {"new": f1(model, dev), "old": f1(model, old_dev), "cpu_seconds": made["cpu_seconds"]}
    return found


def curve(
    base: HybridNerModel, pool: Sequence[Record], dev: Sequence[Record], sizes: Sequence[int], how: str, seed: int
) -> dict[str, Any]:
    """F1 on dev after annotating more and more of the pool; each choice is made by the model trained on the ones before."""
    dice = random.Random(seed)
    rest, model = list(pool), base
    taken: list[Record] = []
    settings = AdaptationSettings(epochs=CURVE_EPOCHS, seed=seed, mixed_precision="bf16")
    points = []
    for size in sizes:
        wanted = size - len(taken)
        if how == "random":
            chosen = dice.sample(range(len(rest)), wanted)
        else:
            # The seed decides what there is to choose from, else all seeds would choose the same.
            offered = sorted(dice.sample(range(len(rest)), len(rest) * 3 // 4))
            texts = [rest[index].text for index in offered]
            candidates = [list(found.candidates) for found in model.predict(texts, batch_size=32)]
            chosen = [offered[number] for number in next_to_annotate(texts, candidates, wanted)]
        taken += [rest[index] for index in chosen]
        rest = [record for index, record in enumerate(rest) if index not in set(chosen)]
        model, _ = adapt(base, "base", taken, base.config.labels, settings)
        points.append({"sentences": len(taken), "characters": sum(len(r.text) for r in taken), "f1": f1(model, dev)})
        print(how, seed, points[-1], flush=True)
    return {"points": points}


def draw(curves: dict[str, list[dict[str, float]]], start: float, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, across in zip(figure.subplots(1, 2), ("sentences", "characters"), strict=True):
        for name, points in curves.items():
            axes.plot([0, *(p[across] for p in points)], [start, *(p["f1"] for p in points)], marker="o", label=name)
        axes.set(xlabel=f"{across} annotated", ylabel="entity F1 on dev, %")
        axes.locator_params(axis="x", nbins=5)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="composite that learns")
    parser.add_argument("old_train", help="what it was trained on, for the replay")
    parser.add_argument("old_dev", help="to see what it forgets")
    parser.add_argument("new_train", help="what is reviewed and annotated")
    parser.add_argument("new_dev", help="to see what it learns")
    parser.add_argument("--reviews", type=int, default=200, help="reviewed texts that the members learn from")
    parser.add_argument("--sizes", type=int, nargs="*", default=[50, 100, 200], help="of what is annotated; none: no curve")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", default="runs/feedback", help="folder of the single steps")
    parser.add_argument("--hardware", help="what the kept steps were made on, when not this machine")
    options = parser.parse_args()

    base = HybridNerModel.from_pretrained(options.base).to("cuda" if torch.cuda.is_available() else "cpu")
    old, old_dev, pool, dev = (read_records(getattr(options, name)) for name in ("old_train", "old_dev", "new_train", "new_dev"))
    random.Random(0).shuffle(pool)
    reviewed, pool = pool[: options.reviews], pool[options.reviews : options.reviews + POOL]
    folder = Path(options.runs)
    before = kept(folder / "before.json", lambda: {"new": f1(base, dev), "old": f1(base, old_dev)})
    trusted = kept(folder / "calibration.json", lambda: calibration(base, reviewed, dev, options.sizes))
    learned = [
        kept(folder / f"members-{seed}.json", lambda s=seed: members(base, reviewed, old, dev, old_dev, s))  # type: ignore[misc]
        for seed in options.seeds
    ]
    curves: dict[str, list[dict[str, float]]] = {}
    for how in ("random", "uncertain and diverse") if options.sizes else ():
        runs = [
            kept(
                folder / f"curve-{how.replace(' ', '-')}-{seed}.json",
                lambda h=how, s=seed: curve(base, pool, dev, options.sizes, h, s),  # type: ignore[misc]
            )["points"]
            for seed in options.seeds
        ]
        curves[how] = [
            {key: statistics.mean(run[at][key] for run in runs) for key in runs[0][at]}
            | {"f1_of_seeds": [round(run[at]["f1"], 2) for run in runs]}
            for at in range(len(options.sizes))
        ]
    report(
        "feedback",
        {
            "files": [
                Path(n).parent.parent.name + "/" + Path(n).name for n in (options.old_dev, options.new_train, options.new_dev)
            ],
            "records": {"old dev": len(old_dev), "reviewed": len(reviewed), "pool": len(pool), "new dev": len(dev)},
            "seeds": options.seeds,
            "before": before,
            "calibration_by_reviews": trusted,
            "members": {
                name: {key: round(statistics.mean(run[name][key] for run in learned), 2) for key in ("new", "old")}
                | {"of_seeds": [[round(run[name][key], 2) for key in ("new", "old")] for run in learned]}
                for name in WAYS
            },
            "curves": curves,
        },
        options.hardware,
    )
    if options.sizes:
        draw(curves, before["new"], RESULTS / "feedback.png")


if __name__ == "__main__":
    main()
