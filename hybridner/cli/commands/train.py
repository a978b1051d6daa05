"""`hybridner train`: from a recipe to a composite."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hybridner.cli.arguments import add_recipe_arguments, recipe_of

DESCRIPTION = "Train the members of a recipe one after another and assemble them into a composite."
EPILOG = """\
examples:
  hybridner train recipes/cluener.yaml
  hybridner train recipes/cluener.yaml --set training.seed=7 --set training.output=runs/seed7
  hybridner train recipes/cluener.yaml --member spanner
  accelerate launch --num_processes 4 -m hybridner train recipes/cluener.yaml

A run that was stopped goes on where it was when the same command is given again: finished members are kept,
an unfinished one resumes from its last epoch.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    parser.add_argument("--member", action="append", default=[], help="train only this member (may be given several times)")


def run(options: argparse.Namespace) -> int:
    from hybridner.launch import processes
    from hybridner.training import run_recipe
    from hybridner.training.run import REPORT

    recipe = recipe_of(options)
    composite = run_recipe(recipe, options.member, options.overwrite)
    if not processes().is_main_process:
        return 0
    output = Path(recipe.training.output)
    table = Table(title=f"best entity F1 on dev (seed {recipe.training.seed})")
    for column in ("member", "F1", "seconds"):
        table.add_column(column, justify="left" if column == "member" else "right")
    for name in recipe.members:
        if (output / name / REPORT).exists():
            report = json.loads((output / name / REPORT).read_text(encoding="utf-8"))
            table.add_row(name, f"{report['best_dev_f1']:.4f}", f"{report['seconds']:.0f}")
    console = Console()
    console.print(table)
    if (composite / "config.json").exists():
        console.print(f"composite: {composite}", highlight=False)
    return 0
