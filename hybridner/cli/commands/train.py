"""`hybridner train`: from a recipe to a composite."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from hybridner.cli.arguments import add_recipe_arguments, recipe_of
from hybridner.cli.console import Terminal

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
    from hybridner.hub import push_model
    from hybridner.launch import processes
    from hybridner.training import run_recipe
    from hybridner.training.folders import REPORT
    from hybridner.training.reports import read_report

    recipe = recipe_of(options)
    composite = run_recipe(recipe, options.member, options.overwrite)
    if not processes().is_main_process:
        return 0
    folders = {name: Path(recipe.training.output) / name for name in recipe.members}
    reports = {name: read_report(folder) for name, folder in folders.items() if (folder / REPORT).exists()}
    console = Terminal()
    console.print(_members_table(reports, f"best entity F1 on dev (seed {recipe.training.seed})"))
    if (composite / REPORT).exists():
        dev = read_report(composite)["dev"]
        console.print(_strategies_table(dev))
        console.print(f"composite: {composite} (strategy {dev['strategy']}{', the best on dev' if dev['chosen_on_dev'] else ''})")
        if recipe.hub is not None:
            console.print(f"pushed: {push_model(composite, recipe.hub.repo_id, private=recipe.hub.private)}")
    return 0


def _members_table(reports: Mapping[str, Mapping[str, Any]], title: str) -> Table:
    table = Table(title=title)
    for column in ("member", "F1", "seconds"):
        table.add_column(column, justify="left" if column == "member" else "right")
    for name, report in reports.items():
        table.add_row(name, f"{report['best_dev_f1']:.4f}", f"{report['seconds']:.0f}")
    return table


def _strategies_table(dev: Mapping[str, Any]) -> Table:
    table = Table(title=f"entity F1 of the composite on {dev['records']} dev records")
    table.add_column("strategy")
    table.add_column("F1", justify="right")
    for name, f1 in dev["strategies"].items():
        table.add_row(name, f"{f1:.4f}", style="bold" if name == dev["strategy"] else None)
    return table
