"""Which of a training's weights to keep: trains to the end and measures them at every evaluation, so that rules can be compared.

usage: python -m benchmarks.choosing_weights ENCODER FOLDER NAME:SIZE:SEED:LAYERS=TRAIN...

A training on few sentences, as `benchmarks.small_data` has it, without stopping early. At each evaluation one JSON line joins
FOLDER/NAME-SIZE-SEED-LAYERS.jsonl: what each member got right on each dev sentence, and on sentences of TRAIN that the training
did not draw. Trainings that are there to their end are not made again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate.utils import set_seed
from transformers import EvalPrediction, TrainerCallback
from transformers.trainer_utils import SaveStrategy

from benchmarks.side_by_side import machine
from benchmarks.small_data import draw
from hybridner.data import collect_labels, read_records, split_records
from hybridner.hybrid import HybridNerModel
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import Record
from hybridner.training import HybridNerTrainer, TrainingData, recipe_from_dict
from hybridner.training.assembling import reads_simplified
from hybridner.training.composing import compose, share_encoder
from hybridner.training.members import build_member
from hybridner.training.metrics import entity_metrics
from hybridner.training.run import training_arguments

#: Sentences of TRAIN that a training does not draw, none of them long, which would cost most of the time.
FRESH, LONGEST = 400, 120
NAMES = tuple(MEMBER_CLASSES)


class Recorder(TrainerCallback):
    """Writes down each evaluation."""

    def __init__(self, cell: dict[str, Any], log: Path) -> None:
        self.cell, self.log = cell, log
        self.order: list[int] = []
        self.counts: list[list[list[int]]] = []
        self.losses: list[float] = []

    def metrics(self, prediction: EvalPrediction) -> dict[str, float]:
        self.counts = [row for _, row in sorted(zip(self.order, np.asarray(prediction.predictions).tolist(), strict=True))]
        self.losses = [round(float(loss), 4) for _, loss in sorted(zip(self.order, np.asarray(prediction.losses), strict=True))]
        return entity_metrics(np.asarray(prediction.predictions), NAMES)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        line = {
            **self.cell,
            "step": state.global_step,
            "steps": state.max_steps,
            "counts": self.counts,
            "losses": self.losses,
        }
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def cut(pool: Sequence[Record], size: int, seed: int) -> tuple[list[Record], list[Record], list[Record]]:
    """Train, dev, and fresh sentences, which are drawn after them."""
    order = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed)).tolist()
    train, dev = split_records(draw(pool, size, seed), 0.2, seed)
    return train, dev, [pool[n] for n in order[size:] if len(pool[n].text) <= LONGEST][:FRESH]


def new_model(encoder: str, layers: int, data: TrainingData, seed: int, output: Path) -> tuple[HybridNerModel, Any]:
    """A composite with one encoder, and how the recipe trains it."""
    recipe = recipe_from_dict(
        {
            "data": {"train": "train.jsonl", "dev": "dev.jsonl"},
            "members": {name: {"type": name, "encoder": encoder, "num_hidden_layers": layers} for name in NAMES},
            "training": {"output": str(output), "seed": seed, "shared_encoder": True, "mixed_precision": "bf16"},
        }
    )
    set_seed(seed)
    members = {name: build_member(recipe.members[name], data) for name in NAMES}
    share_encoder(members)
    model = compose(members)
    model.config.simplify = reads_simplified(recipe, data)
    return model, training_arguments(recipe, NAMES, output / "checkpoints")


def train(encoder: str, pool: Sequence[Record], cell: dict[str, Any], log: Path, folder: Path) -> None:
    """Train to the end; `folder` is for what the trainer writes."""
    records, dev, fresh = cut(pool, cell["sentences"], cell["seed"])
    model, arguments = new_model(encoder, cell["layers"], TrainingData(records, dev, collect_labels(pool)), cell["seed"], folder)
    arguments.early_stopping_patience, arguments.load_best_model_at_end = None, False
    arguments.disable_tqdm, arguments.include_for_metrics = True, ["loss"]
    recorder = Recorder(cell, log)
    trainer = HybridNerTrainer(model, arguments, records, [*dev, *fresh], callbacks=[recorder], compute_metrics=recorder.metrics)
    trainer.args.save_strategy = SaveStrategy.NO
    # Evaluation reads sentences of like length together, always in this order.
    sampler: Any = trainer._get_eval_sampler(cast(Any, trainer.eval_dataset))
    recorder.order = list(sampler)
    trainer.train()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder")
    parser.add_argument("folder", type=Path)
    parser.add_argument("cells", nargs="+", metavar="NAME:SIZE:SEED:LAYERS=TRAIN")
    parser.add_argument("--longest", type=int, default=510, help="leave out longer sentences from the beginning")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True, parents=True)
    for case in options.cells:
        name, size, seed, layers = case.partition("=")[0].split(":")
        cell = {"set": name, "sentences": int(size), "seed": int(seed), "layers": int(layers)}
        log = options.folder / f"{name}-{size}-{seed}-{layers}.jsonl"
        if log.exists():
            lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
            if lines and lines[-1]["step"] == lines[-1]["steps"]:
                continue
            log.unlink()
        began = time.monotonic()
        pool = [record for record in read_records(case.partition("=")[2]) if len(record.text) <= options.longest]
        with tempfile.TemporaryDirectory() as scratch:
            train(options.encoder, pool, {**cell, "longest": options.longest}, log, Path(scratch))
        print(log.stem, round(time.monotonic() - began), machine()["processor"], flush=True)


if __name__ == "__main__":
    main()
