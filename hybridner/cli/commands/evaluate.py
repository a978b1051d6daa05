"""`hybridner evaluate`: precision, recall and F1 of a model on labelled data."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from hybridner.bundled import BUNDLED
from hybridner.cli.console import Terminal
from hybridner.cli.terminal import print_json
from hybridner.errors import DataError, ModelError
from hybridner.files import check_is_file
from hybridner.spans import RESOLVERS, Record, Span

if TYPE_CHECKING:
    from hybridner.evaluation import PrecisionRecallF1, SpanScores
    from hybridner.evaluation.runs import Run
    from hybridner.hybrid import CompositeModel

DESCRIPTION = (
    "Compare a model with gold: every member, every combining strategy, and each label. An entity counts when "
    "start, end and label are all right."
)
EPILOG = """\
examples:
  hybridner evaluate runs/cluener/composite dev.json --json > scores.json
  hybridner evaluate runs/cluener/composite dev.json --save runs/cluener-42.json --dataset CLUENER --split dev

A saved run holds the spans that every member and every strategy found, gold, and the circumstances (encoder, seed and size of the
training set as training wrote them down). `hybridner compare` makes tables, intervals and plots of one or many.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hybridner.ensemble import COMBINERS

    parser.add_argument(
        "model", nargs="?", default=BUNDLED, metavar="MODEL", help=f"folder or Hub id of a composite or a member ({BUNDLED})"
    )
    parser.add_argument("data", metavar="DATA", help="labelled file: JSON lines, CLUENER, CMeEE, CoNLL/BIO, marked-up text")
    parser.add_argument("--strategy", choices=list(COMBINERS), help="strategy of the table of labels (default: the model's own)")
    parser.add_argument("--decoding", choices=list(RESOLVERS), help="default: the model's own")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="windows per forward pass (32)")
    parser.add_argument("--json", action="store_true", help="JSON on stdout instead of tables")
    parser.add_argument("--save", metavar="FILE", help="keep the predictions as a run for `hybridner compare`")
    parser.add_argument("--dataset", metavar="NAME", help="what the data set is called, with --save")
    parser.add_argument("--split", metavar="NAME", help="which split of it DATA is, with --save")
    parser.add_argument(
        "--seen-in",
        metavar="FILE",
        help="the training data, with --save: words that are entities there count as seen",
    )
    parser.add_argument(
        "--hybrid",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="also judge entities found with an LLM: JSON lines as `predict --json` writes them, in the order of DATA",
    )


def run(options: argparse.Namespace) -> int:
    from hybridner.data import read_records
    from hybridner.ensemble import available_strategies
    from hybridner.evaluation import predict_systems, score_spans
    from hybridner.evaluation.runs import HYBRID, STRATEGY
    from hybridner.hybrid.loading import load_composite

    if options.save and not (options.dataset and options.split):
        raise DataError("a saved run says what it was measured on: give --dataset and --split as well", "--save")
    model = load_composite(options.model)
    records = read_records(options.data)
    if not records:
        raise DataError("holds no record", options.data)
    strategy = options.strategy or model.config.strategy
    if strategy not in available_strategies(model.combiner_weights):
        possible = ", ".join(available_strategies(model.combiner_weights))
        raise ModelError(f"the strategy {strategy!r} needs what `hybridner calibrate` fits; this composite can do {possible}")
    texts = [record.text for record in records]
    systems = predict_systems(model, texts, batch_size=options.batch_size, decoding=options.decoding)
    for argument in options.hybrid:
        name, _, file = argument.rpartition("=")
        systems[HYBRID + (name or Path(file).stem)] = _read_entities(file, texts)
    gold = [record.entities for record in records]
    scores = {name: score_spans(gold, predicted) for name, predicted in systems.items()}
    if options.save:
        _run(model, records, systems, options).save(options.save)
    if options.json:
        report = {
            "model": options.model,
            "data": options.data,
            "records": len(records),
            "strategy": strategy,
            "systems": {name: result.to_dict() for name, result in scores.items()},
        }
        print_json(report, indent=2)
        return 0
    console = Terminal()
    console.print(_systems_table(scores, f"{options.data}: {len(records)} texts"))
    console.print(_labels_table(scores[STRATEGY + strategy], f"each label, strategy {strategy}"))
    return 0


def _run(
    model: CompositeModel, records: Sequence[Record], systems: dict[str, list[list[Span]]], options: argparse.Namespace
) -> Run:
    from hybridner.data import read_records
    from hybridner.evaluation.metadata import collect_metadata
    from hybridner.evaluation.runs import make_run
    from hybridner.evaluation.slices import training_surfaces
    from hybridner.hub.model_folder import training_reports

    reports = training_reports(Path(options.model), model.config.member_configs())
    decoding = options.decoding or model.config.decoding
    about = collect_metadata(reports, data=options.dataset, split=options.split, decoding=decoding)
    surfaces = training_surfaces(read_records(options.seen_in)) if options.seen_in else None
    return make_run(about, records, systems, surfaces)


def _read_entities(file: str, texts: Sequence[str]) -> list[list[Span]]:
    """The entities of each text in a file of `predict --json`."""
    check_is_file(file)
    try:
        lines = Path(file).read_text(encoding="utf-8").rstrip("\n").split("\n")
        found = [json.loads(line) for line in lines]
        read = [item["text"] for item in found]
        entities = [[Span(e["start"], e["end"], e["entity_group"]) for e in item["entities"]] for item in found]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot be read as what `hybridner predict --json` writes: {error!r}", file) from error
    if read != list(texts):
        raise DataError("is not about the texts of the data, one line for each in the same order", file)
    return entities


def _systems_table(scores: dict[str, SpanScores], title: str) -> Table:
    from hybridner.evaluation.runs import HYBRID, STRATEGY

    table = _table(title, "system")
    for name, result in scores.items():
        _add(table, name.removeprefix(STRATEGY), result.micro, section=name.startswith((STRATEGY, HYBRID)))
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


def _add(table: Table, name: str, prf: PrecisionRecallF1, section: bool = False) -> None:
    values = (f"{100 * value:.2f}" for value in (prf.precision, prf.recall, prf.f1))
    table.add_row(name, *values, str(prf.gold), style="bold" if section else None)
