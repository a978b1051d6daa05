"""`hybridner data`: convert, check, describe, prepare, compare and push data sets."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridner.cli.terminal import print_json, say

if TYPE_CHECKING:
    from hybridner.data import ReadOptions, RepairLog
    from hybridner.data.statistics.agreement import Agreement


DESCRIPTION = "Data sets: from their files to folders that load_dataset opens, and what is in them."
EPILOG = (
    "examples:\n"
    "  hybridner data check export.json\n"
    "  hybridner data convert entities.jsonl tasks.json --to label-studio\n"
    "  hybridner data convert reviewed.json train.jsonl --to jsonl\n"
    "  hybridner data prepare sncm --output sncm-open\n"
    "  hybridner data prepare cmeee --data-dir CMeEE --output cmeee --strict\n"
    "  hybridner data prepare conll --data-dir FOLDER --output mine\n"
    "  hybridner data describe sncm-open --plot sncm-open.png\n"
    "  hybridner data push sncm-open ORGANISATION/sncm-open --public"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hybridner.data import WRITABLE
    from hybridner.data.corpora.plans import NAMES, VARIANTS

    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    prepare = commands.add_parser(
        "prepare",
        help="write a data set as a folder that load_dataset opens",
        description="Write the splits of a data set as Parquet, with its label set and a card. Known defects of the files are "
        "repaired by stated rules and counted; an unknown one stops with file, record and field.",
    )
    prepare.add_argument("name", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    prepare.add_argument("--data-dir", type=Path, help="folder with the source files (sncm without it: the open corpus)")
    prepare.add_argument("--output", type=Path, required=True, help="folder to make")
    prepare.add_argument(
        "--splits",
        choices=VARIANTS,
        default=VARIANTS[0],
        help="official: as published; held-out: the labelled dev file becomes test, a tenth of train becomes validation",
    )
    prepare.add_argument("--strict", action="store_true", help="make every repair of a known defect an error")
    prepare.set_defaults(run_data=_prepare)

    describe = commands.add_parser("describe", help="counts, lengths, labels, relations, overlaps, duplicates and leaks")
    describe.add_argument(
        "path", type=Path, help="a file of any known format, a prepared folder, or one with train, dev and test files"
    )
    describe.add_argument("--json", action="store_true", help="print JSON")
    describe.add_argument("--plot", type=Path, metavar="FILE", help="draw the figures too (.png, .svg or .pdf)")
    _add_reading(describe)
    describe.set_defaults(run_data=_describe)

    check = commands.add_parser(
        "check",
        help="say how files are read: format, encoding, repairs, and what is wrong",
        description="Read every record of a file, or of the splits of a folder, and say what it was taken for and why, what was "
        "repaired and what is wrong. Marked-up corpus text is also checked against the SNCM ontology.",
    )
    check.add_argument("path", type=Path, nargs="?", help="a file or folder (default: SNCM-open)")
    check.add_argument("--strict", action="store_true", help="make every repair of a known defect an error")
    check.add_argument(
        "--reasoner", action="store_true", help="of marked-up text: run the HermiT reasoner (needs Java, owlready2)"
    )
    _add_reading(check)
    check.set_defaults(run_data=_check)

    convert = commands.add_parser(
        "convert",
        help="from any known format to that of an annotation tool, and back",
        description="Write the records of a file in another format. A model's entities (`hybridner predict --json`) are written "
        "to be reviewed: as predictions of Label Studio with score and uncertainty, suggestions of Argilla, tasks of Prodigy.",
    )
    convert.add_argument("source", type=Path, metavar="IN", help="a file of any known format")
    convert.add_argument("target", type=Path, metavar="OUT", help="the file to write (for brat the folder to make)")
    convert.add_argument("--to", required=True, choices=WRITABLE, metavar="FORMAT", help=f"one of {', '.join(WRITABLE)}")
    convert.add_argument("--strict", action="store_true", help="make every repair of a known defect an error")
    convert.add_argument(
        "--predictions",
        action="store_true",
        help="take a model's proposals in place of what people decided, and write them as such",
    )
    _add_reading(convert)
    convert.set_defaults(run_data=_convert)

    agree = commands.add_parser("agree", help="agreement of two annotations of the same texts")
    agree.add_argument("first", type=Path, help="a file of any known format")
    agree.add_argument("second", type=Path, help="the same texts or a part of them, annotated again")
    agree.add_argument("--json", action="store_true", help="print JSON, with every text on which the two differ")
    agree.set_defaults(run_data=_agree)

    push = commands.add_parser("push", help="send a prepared folder to the Hugging Face Hub")
    push.add_argument("folder", type=Path, help="what `hybridner data prepare` wrote")
    push.add_argument("repo_id", metavar="REPO_ID", help="ORGANISATION/NAME")
    push.add_argument("--public", action="store_true", help="let everybody see a new repository (see the data set's licence)")
    push.add_argument("--revision", metavar="BRANCH", help="publish on this branch; made from main when it is not there")
    push.set_defaults(run_data=_push)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    """How a file is read, where that is not found out rightly."""
    from hybridner.data import FORMATS
    from hybridner.data.offsets import OFFSETS

    group = parser.add_argument_group("how the file is read (all of this is found from its content)")
    group.add_argument("--format", choices=FORMATS, metavar="NAME", help=f"one of {', '.join(FORMATS)}")
    group.add_argument("--offsets", choices=OFFSETS, help="how offsets are counted, where not as the format has them")
    group.add_argument("--text-field", default="", metavar="NAME", help="field of the text in JSON, where it has no usual name")
    group.add_argument("--encoding", metavar="NAME", help="such as utf-8, utf-16, gb18030 or big5")
    group.add_argument(
        "--label-map", type=Path, metavar="FILE", help="JSON object: the new name of every label, null for one that is left out"
    )


def _read_options(options: argparse.Namespace, repairs: RepairLog) -> ReadOptions:
    from hybridner.data import ReadOptions
    from hybridner.data.label_map import read_label_map

    return ReadOptions(
        repairs,
        read_label_map(options.label_map) if options.label_map else None,
        offsets=options.offsets,
        text_field=options.text_field,
        encoding=options.encoding,
        predictions=getattr(options, "predictions", False),
    )


def run(options: argparse.Namespace) -> int:
    """Run the command that was parsed; returns the exit status."""
    status: int = options.run_data(options)
    return status


def _prepare(options: argparse.Namespace) -> int:
    from hybridner.data.corpora.prepare import prepare

    prepared = prepare(options.name, options.data_dir, options.output, variant=options.splits, strict=options.strict)
    for split, records in prepared.records.items():
        say(f"{split}: {records:,} records, {prepared.entities[split]:,} entities")
    say(prepared.repairs)
    say(f"written to {prepared.folder}")
    return 0


def _describe(options: argparse.Namespace) -> int:
    from hybridner.data import RepairLog, iter_annotated
    from hybridner.data.formats.markup import is_corpus
    from hybridner.data.reading import find_files
    from hybridner.data.relations import iter_relations, relations_of
    from hybridner.data.sncm.corpus import read_corpus_splits
    from hybridner.data.statistics.describe import describe
    from hybridner.data.statistics.relations import describe_relations, format_relations
    from hybridner.data.statistics.report import format_description, plot

    repairs = RepairLog()
    reading = _read_options(options, repairs)
    if is_corpus(options.path):
        sentences = read_corpus_splits(options.path)
        splits = {name: [sentence.record for sentence in part] for name, part in sentences.items()}
        relations = {name: describe_relations(relations_of(part)) for name, part in sentences.items()}
    else:
        files = find_files(options.path)
        splits = {n: [a.record for a in iter_annotated(path, options.format, reading)] for n, path in files.items()}
        again = replace(reading, repairs=RepairLog())  # what was repaired is counted once
        relations = {n: describe_relations(iter_relations(path, again)) for n, path in files.items()}
    description = describe(splits)
    if options.json:
        found = {name: {type_: asdict(one) for type_, one in types.items()} for name, types in relations.items() if types}
        print_json({**description.to_dict(), "relations": found, "repairs": repairs.counts}, indent=2)
    else:
        say(format_description(description))
        for name, types in relations.items():
            say(format_relations(name, types).removesuffix("\n"))
        say(repairs)
    if options.plot:
        plot(splits, description, options.plot)
    return 0


def _check(options: argparse.Namespace) -> int:
    from hybridner.data import RepairLog, detect_format, iter_annotated
    from hybridner.data.formats.markup import is_corpus
    from hybridner.data.reading import find_files
    from hybridner.data.sncm.ontology import SNCM_OPEN
    from hybridner.data.statistics.check import find_conflicts

    path = options.path or SNCM_OPEN
    if is_corpus(path):
        return _check_ontology(path, options.reasoner)
    status = 0
    for name, file in find_files(path).items():
        repairs = RepairLog(strict=options.strict)
        reading = _read_options(options, repairs)
        say(f"## {name}: {file}")
        found = options.format or detect_format(file, reading).format
        say(f"read as {options.format or detect_format(file, reading)}")
        records = [annotated.record for annotated in iter_annotated(file, options.format, reading)]
        labels = Counter(span.label for record in records for span in record.entities)
        say(f"{len(records):,} records, {labels.total():,} entities")
        say("labels: " + (", ".join(f"{label} {count:,}" for label, count in labels.most_common()) or "none"))
        say(repairs)
        for conflict in find_conflicts(records):
            say(conflict)
        if not labels:
            say("there is no entity in it: nothing can be learned from it or measured on it")
        if found == "markup":
            status |= _check_ontology(file, options.reasoner)
    return status


def _check_ontology(path: Path, reasoner: bool) -> int:
    from hybridner.data import ReadOptions, read_corpus
    from hybridner.data.sncm.ontology import check_sentences, load_ontology
    from hybridner.data.sncm.reasoner import is_consistent

    ontology = load_ontology()
    documents = read_corpus(path, ReadOptions(label_map=ontology.names_of_codes))
    sentences = [sentence for document in documents for sentence in document.sentences]
    problems = check_sentences(sentences, ontology)
    for problem in problems:
        say(problem)
    relations = Counter(relation.type for sentence in sentences for relation in sentence.relations)
    say(f"relations: {relations.total():,} ({', '.join(f'{type} {count:,}' for type, count in relations.most_common())})")
    say(f"{len(documents):,} documents, {len(sentences):,} sentences: {len(problems)} broken rules")
    consistent = True
    if reasoner:
        consistent = is_consistent(sentences)
        say(f"HermiT: {'consistent' if consistent else 'inconsistent'}")
    return 0 if consistent and not problems else 1


def _convert(options: argparse.Namespace) -> int:
    from hybridner.data import RepairLog, convert, detect_format

    repairs = RepairLog(strict=options.strict)
    reading = _read_options(options, repairs)
    if options.format is None:
        say(f"read as {detect_format(options.source, reading)}")
    written = convert(options.source, options.target, options.to, format=options.format, options=reading)
    for line in repairs.lines():
        say(line)
    say(f"{written:,} records written to {options.target} ({options.to})")
    return 0


def _agree(options: argparse.Namespace) -> int:
    from hybridner.data import read_records
    from hybridner.data.statistics.agreement import align_texts, find_disagreements, measure_agreement

    second = read_records(options.second)
    first = align_texts(read_records(options.first), second)
    found = measure_agreement(first, second)
    if options.json:
        differing = [asdict(one) for one in find_disagreements(first, second)]
        print_json({**_agreement_table(found), "disagreements": differing}, indent=2)
        return 0
    say("| label | first | second | both | F1 | kappa |\n|---|---|---|---|---|---|")
    for label, one in {"(all)": found.overall, **found.labels}.items():
        say(f"| {label} | {one.first} | {one.second} | {one.both} | {one.f1:.3f} | {one.kappa:.3f} |")
    return 0


def _agreement_table(found: Agreement) -> dict[str, Any]:
    return {
        "overall": {**asdict(found.overall), "f1": found.overall.f1},
        "labels": {label: {**asdict(one), "f1": one.f1} for label, one in found.labels.items()},
    }


def _push(options: argparse.Namespace) -> int:
    from hybridner.hub import push_dataset

    say(f"published: {push_dataset(options.folder, options.repo_id, public=options.public, revision=options.revision)}")
    return 0
