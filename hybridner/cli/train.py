"""`hybridner train`, and the same for `accelerate launch -m hybridner.train`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hybridner.errors import RecipeError
from hybridner.launch import processes
from hybridner.training import Recipe, load_recipe, run_recipe
from hybridner.training.run import REPORT

_EXAMPLES = """\
examples:
  hybridner train recipes/cluener.yaml
  hybridner train recipes/cluener.yaml --set training.seed=7 --set training.output=runs/seed7
  hybridner train recipes/cluener.yaml --member spanner
  accelerate launch --num_processes 4 -m hybridner.train recipes/cluener.yaml

A run that was stopped goes on where it was when the same command is given again: finished members are kept,
an unfinished one resumes from its last epoch.
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "train",
        help="train the members of a recipe and assemble them",
        description="Train the members of a recipe one after another and assemble them into a composite.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that the command and the module `hybridner.train` share."""
    add_recipe_arguments(parser)
    parser.add_argument("--member", action="append", default=[], help="train only this member (may be given several times)")


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every command that runs a recipe; `recipe_of` reads them."""
    parser.add_argument("recipe", metavar="RECIPE", help="YAML file; see recipes/ for examples")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value of the recipe, such as training.epochs=3 (may be given several times)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what another recipe left in the output folder")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """The recipe that the arguments name, with their changes."""
    return load_recipe(options.recipe, dict(_assignment(text) for text in options.set))


def run(options: argparse.Namespace) -> int:
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


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set expects KEY=VALUE, got {text!r}")
    return key, value
