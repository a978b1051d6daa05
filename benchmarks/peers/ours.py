"""Ours: SpanNER alone, or all four members on one encoder (one pass). usage: ours.py FOLDER [--seed N] [--one-pass]"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from measuring import BATCH, DEVICE, ENCODER_LR, EPOCHS, HEAD_LR, READING_BATCH, Case, Spans, measure
from transformers import AutoModel

from hybridner import HybridNerPipeline
from hybridner.models import MEMBER_CLASSES
from hybridner.training import recipe_from_dict, run_recipe

ONE_PASS = "--one-pass" in sys.argv


def train(case: Case) -> Any:
    members = list(MEMBER_CLASSES) if ONE_PASS else ["spanner"]
    with tempfile.TemporaryDirectory() as output:
        recipe = {
            "data": {"train": str(case.folder / "train.jsonl"), "dev": str(case.folder / "dev.jsonl")},
            "members": {name: {"type": name, "encoder": case.encoder} for name in members},
            "training": {
                "output": output,
                "epochs": EPOCHS,
                "batch_size": BATCH,
                "encoder_learning_rate": ENCODER_LR,
                "head_learning_rate": HEAD_LR,
                "seed": case.seed,
                "mixed_precision": "bf16",
                "shared_encoder": ONE_PASS,
            },
        }
        return HybridNerPipeline(AutoModel.from_pretrained(run_recipe(recipe_from_dict(recipe))), device=DEVICE)


def read(pipe: Any, case: Case, texts: Sequence[str]) -> list[Spans]:
    return [[(e["start"], e["end"], e["entity_group"]) for e in found] for found in pipe(texts, batch_size=READING_BATCH)]


def on_cpu(pipe: Any) -> Any:
    return HybridNerPipeline(pipe.model.cpu(), device="cpu")


if __name__ == "__main__":
    measure(
        "hybridner one-pass" if ONE_PASS else "hybridner SpanNER",
        train,
        read,
        on_cpu,
        packages=("hybridner",),
        setting="four members on one encoder, votes combined by `score`"
        if ONE_PASS
        else "one member; spans of up to 20 characters",
    )
