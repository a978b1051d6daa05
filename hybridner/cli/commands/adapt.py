"""`hybridner adapt`: a composite to a new domain or label set with few sentences."""

from __future__ import annotations

import argparse
from pathlib import Path

from hybridner.cli.console import Terminal
from hybridner.files import atomic_folder, write_json

#: The encoders' learning rate when all their weights are trained.
_FULL_RATE = 3e-4
#: Arguments that are fields of `AdaptationSettings`.
_SETTINGS = ("rank", "epochs", "batch_size", "encoder_learning_rate", "head_learning_rate", "seed", "mixed_precision")

DESCRIPTION = "Train an adapter for a composite: low-rank changes to its encoders, and heads of its own; or all weights."
EPILOG = """\
examples:
  hybridner adapt runs/mine/composite clinic.jsonl --output clinic
  hybridner adapt me/my-composite clinic.jsonl --output clinic --labels clinic-labels.yaml --dev clinic-dev.jsonl
  hybridner predict clinic "患者因发热三天入院。"
  hybridner merge clinic --output clinic-composite

The adapter holds low-rank changes to the encoders (LoRA), heads and the label set: a few megabytes. It loads like any composite
and fetches its base by the name given here, so keep the base where it is, or publish it first. 50 to 500 sentences will do.
--full trains all weights and writes an ordinary composite: larger, and with some 500 sentences a little better.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a composite: the base")
    parser.add_argument("data", metavar="DATA", help="labelled file of the new domain, in any format `hybridner evaluate` reads")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the adapter")
    parser.add_argument("--full", action="store_true", help="train all weights instead; the output is an ordinary composite")
    parser.add_argument("--labels", help="data set or YAML file with the label set (default: the base's, or what is in DATA)")
    parser.add_argument("--dev", metavar="FILE", help="labelled file to measure F1 on when training is over")
    parser.add_argument("--rank", type=int, help="of the LoRA matrices (8)")
    parser.add_argument("--epochs", type=int, help="passes over DATA (default: about 3,000 sentences are read, 6 to 30 passes)")
    parser.add_argument("--batch-size", type=int, help="sentences per step (8)")
    parser.add_argument(
        "--encoder-learning-rate",
        type=float,
        help=f"of the LoRA matrices (0.001); with --full of the encoders ({_FULL_RATE})",
    )
    parser.add_argument("--head-learning-rate", type=float, metavar="RATE", help="of the heads (0.003)")
    parser.add_argument("--seed", type=int, help="of dropout and shuffling (42)")
    parser.add_argument("--mixed-precision", choices=("auto", "no", "bf16", "fp16"), help="(auto)")


def run(options: argparse.Namespace) -> int:
    from hybridner.adaptation import AdaptationSettings, adapt, fine_tune, labels_for
    from hybridner.adaptation.adapt import REPORT
    from hybridner.data import read_records
    from hybridner.evaluation import evaluate_systems
    from hybridner.hybrid import HybridNerModel, require_torch
    from hybridner.hybrid.loading import load_composite

    console = Terminal()
    base = require_torch(load_composite(options.model))
    records = read_records(options.data)
    dev = read_records(options.dev) if options.dev else []
    labels = labels_for(base.config.labels, [*records, *dev], options.labels)
    chosen = {name: value for name in _SETTINGS if (value := getattr(options, name)) is not None}
    settings = AdaptationSettings(**({"encoder_learning_rate": _FULL_RATE} if options.full else {}) | chosen)
    # A folder is found again from anywhere; anything else is a name on the Hub.
    base_name = str(Path(options.model).resolve()) if Path(options.model).exists() else options.model
    model: HybridNerModel
    if options.full:
        model, report = fine_tune(base, records, labels, settings)
    else:
        model, report = adapt(base, base_name, records, labels, settings)
    output = Path(options.output)
    with atomic_folder(output) as folder:
        model.save_pretrained(folder)
    if dev:
        scores = evaluate_systems(model, dev, [model.config.strategy])
        report["dev"] = {"file": Path(options.dev).name, "records": len(dev)} | {
            name.removeprefix("strategy:"): result.micro.to_dict() for name, result in scores.items()
        }
        for name, result in scores.items():
            console.print(f"{100 * result.micro.f1:5.1f} % F1 on dev  {name.removeprefix('strategy:')}")
    write_json(output / REPORT, report)
    size = sum(file.stat().st_size for file in output.rglob("*") if file.is_file()) / 1e6
    kind = "composite" if options.full else "adapter"
    console.print(f"{kind} of {size:.1f} MB for {len(labels)} types, from {len(records)} sentences: {output}")
    return 0
