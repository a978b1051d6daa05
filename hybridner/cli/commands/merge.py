"""`hybridner merge`: adapter and base -> an ordinary composite."""

from __future__ import annotations

import argparse

from hybridner.cli.terminal import say
from hybridner.errors import ModelError
from hybridner.files import atomic_folder

DESCRIPTION = (
    "Add an adapter's changes to its base's weights: an ordinary composite that needs neither of them, reads a "
    "little faster, and can be adapted in turn."
)
EPILOG = "example:\n  hybridner merge clinic --output clinic-composite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("adapter", metavar="ADAPTER", help="folder or Hub id of an adapter")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the composite")


def run(options: argparse.Namespace) -> int:
    from hybridner.hybrid import AdaptedHybridNerModel
    from hybridner.hybrid.loading import load_composite

    model = load_composite(options.adapter)
    if not isinstance(model, AdaptedHybridNerModel):
        raise ModelError(f"{options.adapter} is no adapter but a whole model already")
    with atomic_folder(options.output) as folder:
        model.merged().save_pretrained(folder)
    say(f"composite: {options.output}")
    return 0
