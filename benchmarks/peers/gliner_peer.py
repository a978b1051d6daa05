"""GLiNER (`gliner`), trained from the bare encoder, each character a word. usage: gliner_peer.py FOLDER"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from gliner import GLiNER, GLiNERConfig
from measuring import BATCH, DECAY, ENCODER_LR, EPOCHS, READING_BATCH, SEED, WARMUP, Case, Spans, measure
from transformers import set_seed

#: Most characters of a span: its default, on which its time depends.
LONGEST = 12


def characters(text: str) -> Iterator[tuple[str, int, int]]:
    """A splitter in GLiNER's way. Its tokenizer drops whitespace, which this vocabulary writes as ▁."""
    for position, character in enumerate(text):
        yield "▁" if character.isspace() else character, position, position + 1


def train(case: Case) -> Any:
    set_seed(SEED)
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
            # The heads' 3e-3 of the others leaves it with no gradient within an epoch: its layers are deeper.
            others_lr=ENCODER_LR,
            weight_decay=DECAY,
            others_weight_decay=DECAY,
            warmup_ratio=WARMUP,
            max_steps=-1,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            dataloader_num_workers=0,
            save_strategy="no",
            use_cpu=True,
            bf16=True,
            seed=SEED,
        )
    return model.eval()


@torch.inference_mode()
def read(model: Any, case: Case, texts: Sequence[str]) -> list[Spans]:
    names = {title: label for label, title in case.labels.items()}
    found = model.inference(list(texts), list(names), threshold=0.5, batch_size=READING_BATCH)
    return [[(e["start"], e["end"], names[e["label"]]) for e in row] for row in found]


if __name__ == "__main__":
    measure("GLiNER", train, read, packages=("gliner",), setting="from the bare encoder, the ten labels in Chinese as prompt")
