"""GLiNER (`gliner`), trained from the bare encoder, each character a word. usage: gliner_peer.py FOLDER [--seed N]"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from gliner import GLiNER, GLiNERConfig
from measuring import BATCH, DECAY, DEVICE, ENCODER_LR, EPOCHS, READING_BATCH, WARMUP, Case, Spans, f1, measure
from transformers import set_seed

#: Most characters of a span: its default, on which its time depends.
LONGEST = 12
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


def characters(text: str) -> Iterator[tuple[str, int, int]]:
    """A splitter in GLiNER's way. Its tokenizer drops whitespace, which this vocabulary writes as ▁."""
    for position, character in enumerate(text):
        yield "▁" if character.isspace() else character, position, position + 1


def train(case: Case) -> Any:
    set_seed(case.seed)
    config = GLiNERConfig(model_name=case.encoder, max_width=LONGEST, hidden_size=384, max_types=len(case.labels))
    model = GLiNER.from_config(config)
    model.data_processor.words_splitter = characters
    # GLiNER reads the labels' names; ours are given in Chinese, as the texts are.
    data = [
        {
            "tokenized_text": [token for token, _, _ in characters(record["text"])],
            "ner": [[e["start"], e["end"] - 1, case.labels[e["label"]]] for e in record["entities"]],
            "ner_labels": list(case.labels.values()),
        }
        for record in case.train
    ]
    with tempfile.TemporaryDirectory() as output:
        model.train_model(
            data,
            None,
            output_dir=output,
            learning_rate=ENCODER_LR,
            # The heads' 3e-3 of the others, and 1e-3 too, leave it with no gradient within an epoch: its layers are deeper.
            others_lr=ENCODER_LR,
            weight_decay=DECAY,
            others_weight_decay=DECAY,
            warmup_ratio=WARMUP,
            max_steps=-1,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            dataloader_num_workers=0,
            save_strategy="no",
            use_cpu=DEVICE == "cpu",
            bf16=True,
            seed=case.seed,
        )
    model.eval().chosen = best_threshold(model, case)
    return model


@torch.inference_mode()
def scored(model: Any, case: Case, texts: Sequence[str], threshold: float) -> list[list[tuple[float, tuple[int, int, str]]]]:
    """Entities of each text with their scores. Overlaps are resolved best first, so a higher threshold only takes some away."""
    names = {title: label for label, title in case.labels.items()}
    found = model.inference(list(texts), list(names), threshold=threshold, batch_size=READING_BATCH)
    return [[(e["score"], (e["start"], e["end"], names[e["label"]])) for e in row] for row in found]


def best_threshold(model: Any, case: Case) -> float:
    """Its own 0.5 is for a model trained on far more; after so few sentences no score need reach it. Chosen on dev."""
    dev = case.read("dev")
    gold = [{(e["start"], e["end"], e["label"]) for e in record["entities"]} for record in dev]
    rows = scored(model, case, [record["text"] for record in dev], THRESHOLDS[0])
    of = {t: f1(gold, [{span for score, span in row if score >= t} for row in rows]) for t in THRESHOLDS}
    print("F1 on dev by threshold:", of)
    return max(of, key=lambda threshold: of[threshold])


def read(model: Any, case: Case, texts: Sequence[str]) -> list[Spans]:
    return [[span for _, span in row] for row in scored(model, case, texts, model.chosen)]


if __name__ == "__main__":
    measure(
        "GLiNER",
        train,
        read,
        lambda model: model.cpu(),
        packages=("gliner",),
        setting="from the bare encoder, the ten labels in Chinese as prompt; threshold chosen on dev",
    )
