"""`hybridner crossval`, and the same for `accelerate launch -m hybridner.crossval`."""

from __future__ import annotations

import argparse
from typing import Any

from hybridner.cli.train import add_recipe_arguments, recipe_of
from hybridner.launch import processes
from hybridner.training.crossval import run_crossval

_EXAMPLES = """\
examples:
  hybridner crossval recipes/cluener.yaml
  hybridner crossval recipes/cluener.yaml --set crossval.folds=3 --fold 0
  accelerate launch --num_processes 4 -m hybridner.crossval recipes/cluener.yaml

The predictions lie in OUTPUT/oof.parquet, one row a sentence; `hybridner calibrate` fits on them.
A run that was stopped goes on where it was when the same command is given again.
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "crossval",
        help="predict the training sentences out of fold, for all that is fitted after training",
        description="Cut the training sentences into folds and let members trained on the others predict each. Documents stay "
        "whole, and rare labels are spread evenly.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that the command and the module `hybridner.crossval` share."""
    add_recipe_arguments(parser)
    parser.add_argument("--fold", action="append", type=int, default=[], metavar="N", help="do only this fold (several times)")


def run(options: argparse.Namespace) -> int:
    path = run_crossval(recipe_of(options), options.fold, options.overwrite)
    if processes().is_main_process and path.exists():
        print(f"out-of-fold predictions: {path}")
    return 0
