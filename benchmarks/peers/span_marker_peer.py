"""SpanMarker (`span-marker`), each character a word. usage: span_marker_peer.py FOLDER [--seed N]"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from measuring import BATCH, DEVICE, EPOCHS, WARMUP, Case, Spans, measure, parameter_groups, tags
from span_marker import SpanMarkerModel, Trainer
from transformers import TrainingArguments, set_seed

#: SpanMarker's own default. Every span of up to so many words costs two marker tokens, so it is also what its time depends on.
LONGEST = 8
#: Longest sentence in tokens, and marker pairs beside it: SpanMarker's defaults are 512 and 128.
TOKENS, MARKERS = 64, 128


def words(text: str) -> list[str]:
    """Its tokenizer drops whitespace, which this vocabulary writes as ▁."""
    return ["▁" if character.isspace() else character for character in text]


def train(case: Case) -> Any:
    set_seed(case.seed)
    numbers = {label: number for number, label in enumerate(case.labels, start=1)}
    names = ["O", *(f"{prefix}-{label}" for label in case.labels for prefix in "BI")]
    model = SpanMarkerModel.from_pretrained(
        case.encoder, labels=names, model_max_length=TOKENS, marker_max_length=MARKERS, entity_max_length=LONGEST
    )
    data = Dataset.from_list([{"tokens": words(record["text"]), "ner_tags": tags(record, numbers)} for record in case.train])
    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            warmup_ratio=WARMUP,
            bf16=True,
            use_cpu=DEVICE == "cpu",
            save_strategy="no",
            eval_strategy="no",
            report_to="none",
            seed=case.seed,
        )
        optimizer = torch.optim.AdamW(parameter_groups(model, lambda name: name.startswith("encoder.")))
        Trainer(model, arguments, train_dataset=data, optimizers=(optimizer, None)).train()
    return model.eval()


def read(model: Any, case: Case, texts: Sequence[str]) -> list[Spans]:
    found = model.predict([words(text) for text in texts], batch_size=32)
    return [[(e["word_start_index"], e["word_end_index"], e["label"]) for e in row] for row in found]


if __name__ == "__main__":
    measure(
        "SpanMarker",
        train,
        read,
        lambda model: model.cpu(),
        packages=("span-marker",),
        setting=f"spans of up to {LONGEST} characters (its default)",
    )
