"""transformers' own token classification: a linear layer on the encoder, one token a character.

usage: token_classification.py FOLDER [--seed N]
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from measuring import BATCH, DEVICE, EPOCHS, READING_BATCH, WARMUP, Case, Spans, measure, parameter_groups, tags
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)


def encode(tokenizer: Any, text: str) -> list[int]:
    """One token a character, as ours: its tokenizer drops whitespace, which this vocabulary writes as ▁."""
    ids = tokenizer.convert_tokens_to_ids(["▁" if character.isspace() else character for character in text])
    return [tokenizer.cls_token_id, *ids, tokenizer.sep_token_id]


def train(case: Case) -> Any:
    set_seed(case.seed)
    tokenizer = AutoTokenizer.from_pretrained(case.encoder)
    numbers = {label: number for number, label in enumerate(case.labels, start=1)}
    names = ["O", *(f"{prefix}-{label}" for label in case.labels for prefix in "BI")]
    model = AutoModelForTokenClassification.from_pretrained(
        case.encoder, id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)}
    )
    features = [
        {"input_ids": encode(tokenizer, record["text"]), "labels": [-100, *tags(record, numbers), -100]} for record in case.train
    ]
    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            warmup_steps=WARMUP,
            train_sampling_strategy="group_by_length",
            bf16=True,
            use_cpu=DEVICE == "cpu",
            save_strategy="no",
            report_to="none",
            seed=case.seed,
        )
        groups = parameter_groups(model, lambda name: not name.startswith("classifier"))
        Trainer(
            model,
            arguments,
            data_collator=DataCollatorForTokenClassification(tokenizer),
            train_dataset=features,
            optimizer_cls_and_kwargs=(torch.optim.AdamW, {"params": groups}),
        ).train()
    return model.eval(), tokenizer, names


@torch.inference_mode()
def read(trained: Any, case: Case, texts: Sequence[str]) -> list[Spans]:
    model, tokenizer, names = trained
    results: list[Spans] = [[] for _ in texts]
    order = sorted(range(len(texts)), key=lambda number: -len(texts[number]))
    for start in range(0, len(order), READING_BATCH):
        rows = order[start : start + READING_BATCH]
        batch = tokenizer.pad({"input_ids": [encode(tokenizer, texts[number]) for number in rows]}, return_tensors="pt").to(
            model.device
        )
        best = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.argmax(-1)
        for number, row in zip(rows, best.tolist(), strict=True):
            results[number] = spans([names[tag] for tag in row[1 : len(texts[number]) + 1]])
    return results


def spans(row: Sequence[str]) -> Spans:
    """Entities of a tag sequence; an I that follows nothing of its kind begins one, as in `aggregation_strategy="simple"`."""
    found: Spans = []
    open_label, begun = None, 0
    for position, tag in enumerate([*row, "O"]):
        prefix, _, label = tag.partition("-")
        if open_label is not None and (prefix != "I" or label != open_label):
            found.append((begun, position, open_label))
            open_label = None
        if prefix != "O" and open_label is None:
            open_label, begun = label, position
    return found


def on_cpu(trained: Any) -> Any:
    model, *rest = trained
    return model.cpu(), *rest


if __name__ == "__main__":
    measure("transformers token classification", train, read, on_cpu, packages=(), setting="linear layer over BIO tags, no CRF")
