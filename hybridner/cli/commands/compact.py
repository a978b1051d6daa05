"""`hybridner compact`: a composite small enough to be shipped."""

from __future__ import annotations

import argparse
from pathlib import Path

from hybridner.cli.terminal import say
from hybridner.cli.texts import read_texts
from hybridner.files import atomic_folder, write_json

DESCRIPTION = "Make a composite small: drop rare characters from its encoders' tables and store weights in half precision."
EPILOG = """\
examples:
  hybridner compact runs/mine/composite --output small
  hybridner compact runs/mine/composite --text train.jsonl --window 254 --output small

Kept are ASCII, the symbols and the 3,755 level-one characters of GB 2312, and every character of the files given with --text;
others are read as unknown. Settings and the record of training go along; calibrate and measure afterwards.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a composite")
    parser.add_argument("--text", nargs="+", default=[], metavar="FILE", help="keep the characters of these files too")
    parser.add_argument("--window", type=int, metavar="N", help="read at most N characters at once (default: as many as now)")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the small composite")


def run(options: argparse.Namespace) -> int:
    from hybridner.hub.model_folder import TRAINING_FILE, public_report, training_reports
    from hybridner.hybrid import require_torch
    from hybridner.hybrid.compact import common_characters, compact
    from hybridner.hybrid.loading import load_composite

    characters = common_characters().union(*read_texts([], options.text)) if options.text else common_characters()
    model = compact(require_torch(load_composite(options.model)), characters, options.window)
    output = Path(options.output)
    with atomic_folder(output) as folder:
        model.save_pretrained(folder)
    reports = training_reports(Path(options.model), model.config.member_configs())
    if reports:
        shown = {"members": {name: public_report(report) for name, report in reports.items()}}
        write_json(output / TRAINING_FILE, shown)
    size = sum(path.stat().st_size for path in output.iterdir())
    say(f"{sum(p.numel() for p in model.parameters()):,} weights, {size / 1e6:.1f} MB: {options.output}")
    return 0
