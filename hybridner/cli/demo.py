"""`hybridner demo`: the whole way from labelled sentences to entities of new ones, offline."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from rich.console import Console

from hybridner.cli.predict import print_entities
from hybridner.data.catalogue import label_set
from hybridner.data.sncm import corpus_splits
from hybridner.evaluation import evaluate_systems
from hybridner.hybrid import HybridNerModel
from hybridner.pipeline import HybridNerPipeline
from hybridner.training import recipe_from_dict, train_and_assemble

#: Small enough for two cores: one encoder layer with random weights under each head.
_ENCODER = {
    "model_type": "bert",
    "hidden_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "max_position_embeddings": 256,
}
_MEMBERS = ("bert-bilstm-crf", "roberta-bigru-crf", "macbert-attn-bilstm-crf", "spanner")

_UNSEEN = (
    "2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机。",
    "美国海军在红海为驱逐舰加装了抗干扰天线，以抵御欺骗式干扰。",
    "演习期间，北约的无人机在加里宁格勒附近失去了GPS信号。",
)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "demo",
        help="train four small members on the bundled corpus, assemble them, read unseen sentences (about 2 minutes)",
        description="Train four small members on the bundled SNCM-open corpus, assemble them into a composite, save it and "
        "let it read sentences it has never seen. Needs neither a network nor a GPU. The members start from random weights, "
        "so what they find shows the way, not what a pretrained encoder reaches.",
    )
    parser.add_argument("--output", default="hybridner-demo", metavar="DIR", help="where the models go (hybridner-demo)")
    parser.add_argument("--epochs", type=int, default=6, help="passes over the training sentences (6)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    console = Console(highlight=False)
    logging.getLogger("transformers.trainer").setLevel(logging.WARNING)
    recipe = recipe_from_dict(
        {
            "data": {"train": "SNCM-open"},
            "members": {name: {"type": name, "encoder": _ENCODER} for name in _MEMBERS},
            "training": {
                "output": options.output,
                "epochs": options.epochs,
                "encoder_lr": 1e-3,
                "head_lr": 3e-3,
                "batch_size": 16,
            },
        }
    )
    splits = {name: [s.record for s in sentences] for name, sentences in corpus_splits().items()}
    console.print(
        f"SNCM-open: {len(splits['train'])} sentences to train on, {len(splits['validation'])} to choose the best epoch, "
        f"{len(splits['test'])} to test; 13 types of satellite-navigation countermeasures"
    )
    composite = train_and_assemble(recipe, splits["train"], splits["validation"], label_set("sncm"))
    model = HybridNerModel.from_pretrained(composite)
    scores = evaluate_systems(model, splits["test"], [model.config.strategy])
    console.print("\nEntity F1 on the test sentences (four members, then the composite):")
    for name, result in scores.items():
        console.print(f"  {100 * result.micro.f1:5.1f} %  {name.removeprefix('strategy:')}")
    console.print("\nSentences it has never seen:\n")
    pipe = HybridNerPipeline(model)
    for text, entities in zip(_UNSEEN, pipe(list(_UNSEEN)), strict=True):
        print_entities(console, text, entities)
    console.print(
        f"\nThe model lies in {Path(composite).resolve()}. Use it with\n"
        f'  hybridner predict {composite} "你的句子"\n'
        f'or in Python: import hybridner; transformers.pipeline("hybrid-ner", model="{composite}")',
        soft_wrap=True,
    )
    return 0
