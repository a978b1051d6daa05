"""`hybridner gazetteer`: make a dictionary of terms, and check one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from hybridner.cli.console import Terminal
from hybridner.errors import DataError

if TYPE_CHECKING:
    from hybridner.data.terms import Term
    from hybridner.gazetteer import Gazetteer
    from hybridner.spans import Record

DESCRIPTION = (
    "Dictionaries of terms as one more member of a composite: build one from labelled data, from lists, or from raw text with a "
    "model; and check one for contradictions and on labelled data."
)
EPILOG = """\
examples:
  hybridner gazetteer build train.jsonl --output terms.parquet
  hybridner gazetteer build train.jsonl --terms equipment.csv --terms countries.txt --label State --output terms.parquet
  hybridner gazetteer build --text reports.txt --model my-composite --min-score 0.9 --output found.csv
  hybridner gazetteer check terms.parquet dev.jsonl
then let it vote, with weights fitted out of fold:
  hybridner calibrate my-composite oof.parquet --gazetteer terms.parquet --output with-terms

Lists are CSV (columns term, label, count, requires, blocked), text (a term a line, a tab before its label), YAML (lists of terms
by label) or the OWL file of an ontology. A gazetteer written as .csv can be edited and read again; only .parquet keeps how far
its terms are trusted.
"""
#: Conflicts and wrong terms shown.
_SHOWN = 10
#: Texts that a model reads at once.
_READ_AHEAD = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="make a gazetteer from labelled data, lists, or raw text with a model")
    build.add_argument("data", nargs="*", metavar="DATA", help="labelled files of any known format")
    build.add_argument("--terms", action="append", default=[], metavar="FILE", help="a list of terms (several times)")
    build.add_argument("--label", metavar="LABEL", help="of the terms in lists that give none")
    build.add_argument("--text", action="append", default=[], metavar="FILE", help="raw text for --model (several times)")
    build.add_argument("--model", metavar="MODEL", help="composite whose entities in --text become terms")
    build.add_argument("--min-score", type=float, default=0.9, metavar="X", help="least score of such an entity (0.9)")
    build.add_argument("--min-count", type=int, default=1, metavar="N", help="leave out entities that occur less often (1)")
    build.add_argument("--output", required=True, metavar="FILE", help="the gazetteer: .parquet, or .csv to edit")
    build.set_defaults(run_gazetteer=_build)

    check = commands.add_parser("check", help="counts, contradictions, and how the terms do on labelled data")
    check.add_argument("terms", metavar="TERMS", help="what `build` wrote, or a list of terms")
    check.add_argument("data", nargs="*", metavar="DATA", help="labelled files to measure on")
    check.add_argument("--label", metavar="LABEL", help="of the terms in a list that gives none")
    check.set_defaults(run_gazetteer=_check)


def run(options: argparse.Namespace) -> int:
    """Run the command that was parsed; returns the exit status."""
    status: int = options.run_gazetteer(options)
    return status


def _build(options: argparse.Namespace) -> int:
    from hybridner.data import collect_labels, read_records
    from hybridner.data.terms import read_terms
    from hybridner.gazetteer import Reliability, build_gazetteer
    from hybridner.gazetteer.files import STORED, labels_of, write_csv

    if bool(options.text) != bool(options.model):
        raise DataError("raw text needs a model that finds the terms in it, and a model needs text: give --text and --model")
    if options.data and options.text:
        raise DataError("labelled data and a model's findings are told apart: build two gazetteers", "--text")
    records = [record for path in options.data for record in read_records(path)]
    records += _found_by_model(options)
    lists: list[Term] = [term for path in options.terms for term in read_terms(path, options.label)]
    if not records and not lists:
        raise DataError("give labelled data, --terms, or --text with --model")
    names = dict.fromkeys((*(collect_labels(records).names if records else ()), *(labels_of(lists) if lists else ())))
    gazetteer = build_gazetteer(records, tuple(names), lists=lists, min_count=options.min_count)
    if options.text:
        # Agreeing with the model that named them says nothing about how far its terms can be trusted.
        gazetteer = gazetteer.with_reliability(Reliability.assumed(len(names)))
    if Path(options.output).suffix == STORED:
        gazetteer.save(options.output)
    else:
        write_csv(gazetteer, options.output)
    console = Terminal()
    _print_terms(console, gazetteer)
    if options.data:
        _print_use(console, gazetteer, records)
    console.print(f"{len(gazetteer):,} terms written to {options.output}", soft_wrap=True)
    return 0


def _found_by_model(options: argparse.Namespace) -> Iterator[Record]:
    """Texts with what a model surely finds in them."""
    if not options.text:
        return
    from hybridner.cli.texts import read_texts
    from hybridner.hybrid.loading import load_composite
    from hybridner.spans import Record, Span

    model = load_composite(options.model)
    unread = read_texts([], options.text)
    while texts := list(islice(unread, _READ_AHEAD)):
        for prediction in model.predict(texts):
            sure = [c for c in prediction.entities if c.score >= options.min_score]
            yield Record(prediction.text, tuple(Span(c.start, c.end, c.label) for c in sure))


def _check(options: argparse.Namespace) -> int:
    from hybridner.data import read_records
    from hybridner.gazetteer.files import load_gazetteer

    console = Terminal()
    gazetteer = load_gazetteer(options.terms, label=options.label)
    _print_terms(console, gazetteer)
    if options.data:
        records = [record for path in options.data for record in read_records(path)]
        labels = dict.fromkeys((*gazetteer.labels, *(span.label for record in records for span in record.entities)))
        _print_use(console, gazetteer.for_labels(tuple(labels)), records)
    return 0


def _print_terms(console: Terminal, gazetteer: Gazetteer) -> None:
    from hybridner.gazetteer.checking import find_conflicts

    console.print("terms: " + ", ".join(f"{label} {count:,}" for label, count in gazetteer.counts_by_label.items()))
    short = sum(len(surface) == 1 for surface in gazetteer.table.column("surface").to_pylist())
    if short:
        console.print(f"{short:,} terms are a single character: they are seldom entities wherever they stand")
    conflicts = find_conflicts(gazetteer)
    if conflicts:
        console.print(f"{len(conflicts):,} terms have several labels:")
    for conflict in conflicts[:_SHOWN]:
        console.print(f"  {conflict.surface}: " + ", ".join(f"{label} {count:,}" for label, count in conflict.labels.items()))


def _print_use(console: Terminal, gazetteer: Gazetteer, records: list[Record]) -> None:
    from hybridner.gazetteer.checking import measure_labels, wrong_most_often

    console.print("on the labelled data, without what each document knows of its own:")
    table = Table()
    for column in ("label", "terms", "hits", "right", "precision %", "trusted %", "recall %"):
        table.add_column(column, justify="left" if column == "label" else "right")
    for label, one in measure_labels(gazetteer, records).items():
        counts = (f"{number:,}" for number in (one.terms, one.hits, one.right))
        shares = (f"{100 * share:.1f}" for share in (one.precision, one.chance, one.recall))
        table.add_row(label, *counts, *shares)
    console.print(table)
    wrong = wrong_most_often(gazetteer, records)
    if wrong:
        console.print("wrong most often (block them, or say what they require):")
    for use in wrong[:_SHOWN]:
        console.print(f"  {use.surface} ({use.label}): {use.right:,} of {use.hits:,} right")
