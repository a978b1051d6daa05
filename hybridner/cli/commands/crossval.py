"""`hybridner crossval`: out-of-fold predictions of the training sentences."""

from __future__ import annotations

import argparse

from hybridner.cli.arguments import add_recipe_arguments, recipe_of
from hybridner.cli.terminal import say

DESCRIPTION = (
    "Cut the training sentences into folds and let members trained on the others predict each. Documents stay "
    "whole, and rare labels are spread evenly."
)
EPILOG = """\
examples:
  hybridner crossval recipes/cluener.yaml
  hybridner crossval recipes/cluener.yaml --set crossval.folds=3 --fold 0
  accelerate launch --num_processes 4 -m hybridner crossval recipes/cluener.yaml

The predictions lie in OUTPUT/oof.parquet, one row a sentence; `hybridner calibrate` fits on them. Once the run has a composite
too, OUTPUT/examples.parquet holds hard examples for the prompts of an LLM; see `hybridner examples`.
A run that was stopped goes on where it was when the same command is given again.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    parser.add_argument("--fold", action="append", type=int, default=[], metavar="N", help="do only this fold (several times)")


def run(options: argparse.Namespace) -> int:
    from hybridner.launch import processes
    from hybridner.training.crossval import run_crossval

    path = run_crossval(recipe_of(options), options.fold, options.overwrite)
    if processes().is_main_process and path.exists():
        say(f"out-of-fold predictions: {path}")
    return 0
