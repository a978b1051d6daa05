"""`hybridner evaluate`: precision, recall and F1 of a model on labelled data."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.console import Console
from rich.table import Table

from hybridner.cli.loading import load_composite
from hybridner.data import read_records
from hybridner.ensemble import COMBINERS
from hybridner.errors import DataError
from hybridner.evaluation import Prf, SpanScores, evaluate_systems


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "evaluate",
        help="precision, recall and F1 on labelled data",
        description="Compare a model with gold: every member, every combining strategy, and each label. An entity counts when "
        "start, end and label are all right.",
        epilog="example:\n  hybridner evaluate runs/cluener/composite dev.json --json > scores.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a composite or a member")
    parser.add_argument("data", metavar="DATA", help="labelled file: JSON lines, CLUENER, CMeEE, CoNLL/BIO, marked-up text")
    parser.add_argument("--strategy", choices=list(COMBINERS), help="strategy of the table of labels (default: the model's own)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="windows per forward pass (32)")
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of tables")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    model = load_composite(options.model)
    records = read_records(options.data)
    if not records:
        raise DataError("holds no record", options.data)
    strategy = options.strategy or model.config.strategy
    scores = evaluate_systems(model, records, list(COMBINERS), batch_size=options.batch_size)
    if options.json:
        report = {
            "model": options.model,
            "data": options.data,
            "records": len(records),
            "strategy": strategy,
            "systems": {name: result.to_dict() for name, result in scores.items()},
        }
        print(json.dumps(report, ensure_ascii=False, indent=2))
        return 0
    console = Console()
    console.print(_systems_table(scores, f"{options.data}: {len(records)} texts"))
    console.print(_labels_table(scores[f"strategy:{strategy}"], f"each label, strategy {strategy}"))
    return 0


def _systems_table(scores: dict[str, SpanScores], title: str) -> Table:
    table = _table(title, "system")
    for name, result in scores.items():
        _add(table, name.removeprefix("strategy:"), result.micro, section=name.startswith("strategy:"))
    return table


def _labels_table(result: SpanScores, title: str) -> Table:
    table = _table(title, "label")
    for label, prf in result.per_label.items():
        _add(table, label, prf)
    table.add_section()
    _add(table, "micro", result.micro)
    table.add_row("macro", "", "", f"{100 * result.macro_f1:.2f}", "")
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for column in ("P %", "R %", "F1 %", "gold"):
        table.add_column(column, justify="right")
    return table


def _add(table: Table, name: str, prf: Prf, section: bool = False) -> None:
    values = (f"{100 * value:.2f}" for value in (prf.precision, prf.recall, prf.f1))
    table.add_row(name, *values, str(prf.gold), style="bold" if section else None)
