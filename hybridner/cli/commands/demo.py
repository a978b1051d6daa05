"""`hybridner demo`: entities of unseen sentences at once, or the whole way from labelled sentences; offline."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hybridner.bundled import BUNDLED, BUNDLED_FOLDER
from hybridner.cli.console import Terminal
from hybridner.cli.texts import print_entities
from hybridner.spans import Record

if TYPE_CHECKING:
    from hybridner.hybrid import CompositeModel

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


DESCRIPTION = (
    "Let the model that comes with hybridner read sentences it has never seen, and measure it on the test "
    "sentences of SNCM-open. With --train: train four small members on SNCM-open first, assemble them into a composite, save "
    "it and use that. Needs neither a network nor a GPU. The members of --train start from random weights, so what they find "
    "shows the way, not what a pretrained encoder reaches."
)
EPILOG = """\
examples:
  hybridner demo
  hybridner demo --train --output my-first-composite
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", action="store_true", help="train four small members and use them")
    parser.add_argument(
        "--output", default="hybridner-demo", metavar="DIR", help="with --train: where the models go (hybridner-demo)"
    )
    parser.add_argument("--epochs", type=int, default=6, help="with --train: passes over the training sentences (6)")


def run(options: argparse.Namespace) -> int:
    from hybridner.data.sncm.corpus import read_corpus_splits
    from hybridner.hybrid.loading import load_composite
    from hybridner.pipeline import HybridNerPipeline

    console = Terminal()
    splits = {name: [sentence.record for sentence in sentences] for name, sentences in read_corpus_splits().items()}
    console.print(
        f"SNCM-open: {len(splits['train'])} sentences to train on, {len(splits['validation'])} to choose the best epoch, "
        f"{len(splits['test'])} to test; 13 types of satellite-navigation countermeasures"
    )
    source = _train(options, splits) if options.train else BUNDLED_FOLDER
    model = load_composite(str(source))
    console.print("\nSentences the model has never seen:\n")
    pipe = HybridNerPipeline(model)
    for text, entities in zip(_UNSEEN, pipe(list(_UNSEEN)), strict=True):
        print_entities(console, text, entities)
    _print_scores(console, model, splits["test"])
    name = source if options.train else BUNDLED
    argument = f', model="{source}"' if options.train else ""
    console.print(
        f"\nThe model lies in {Path(source).resolve()}. Use it with\n"
        f'  hybridner predict {name} "你的句子"\n'
        f'or in Python: import hybridner; transformers.pipeline("hybrid-ner"{argument})',
        soft_wrap=True,
    )
    return 0


def _print_scores(console: Terminal, model: CompositeModel, test: Sequence[Record]) -> None:
    from hybridner.evaluation import evaluate_systems

    scores = evaluate_systems(model, test, [model.config.strategy])
    console.print("\nEntity F1 on the test sentences (four members, then the composite):")
    for name, result in scores.items():
        console.print(f"  {100 * result.micro.f1:5.1f} %  {name.removeprefix('strategy:')}")


def _train(options: argparse.Namespace, splits: Mapping[str, Sequence[Record]]) -> Path:
    """Train and assemble four small members; the folder of the composite."""
    from hybridner.data.corpora.catalog import label_set
    from hybridner.training import TrainingData, recipe_from_dict, train_and_assemble

    logging.getLogger("transformers.trainer").setLevel(logging.WARNING)
    recipe = recipe_from_dict(
        {
            "data": {"train": "SNCM-open"},
            "members": {name: {"type": name, "encoder": _ENCODER} for name in _MEMBERS},
            "training": {
                "output": options.output,
                "epochs": options.epochs,
                "encoder_learning_rate": 1e-3,
                "head_learning_rate": 3e-3,
                "batch_size": 16,
            },
        }
    )
    return train_and_assemble(recipe, TrainingData(splits["train"], splits["validation"], label_set("sncm")))
