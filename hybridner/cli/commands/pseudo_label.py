"""`hybridner pseudo-label`: unlabelled text becomes training data where several models agree."""

from __future__ import annotations

import argparse

from hybridner.cli.terminal import say
from hybridner.cli.texts import read_texts

DESCRIPTION = "Label raw text with the entities that more than half of some models agree on, to train a better or smaller one."
EPILOG = """\
examples:
  hybridner pseudo-label runs/a/composite runs/b/composite runs/c/composite --text raw.txt --output pseudo.jsonl
  cat train.jsonl train.jsonl pseudo.jsonl > all.jsonl      # the gold twice, so that it is not drowned

Train the new model on the gold and these together, with --set data.train=all.jsonl and a data.dev of other gold. Texts of the
domain help, others do not.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="+", metavar="MODEL", help="folder or Hub id of a composite; three are a good number")
    parser.add_argument("--text", nargs="+", required=True, metavar="FILE", help="raw text, one a line, or JSON lines with text")
    parser.add_argument("--output", required=True, metavar="FILE", help="JSON lines with text and entities")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="windows read at once (32)")


def run(options: argparse.Namespace) -> int:
    from hybridner.adaptation.pseudo_labels import pseudo_label
    from hybridner.data.formats.jsonl import write_jsonl
    from hybridner.hybrid.loading import load_composite

    teachers = [load_composite(name) for name in options.models]
    records = pseudo_label(teachers, read_texts([], options.text), options.batch_size)
    say(f"{write_jsonl(records, options.output):,} texts: {options.output}")
    return 0
