"""`hybridner compact`: a composite small enough to be shipped."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hybridner.cli.loading import load_composite
from hybridner.cli.predict import read_texts
from hybridner.hybrid.compact import common_characters, compact, save_half

_EXAMPLES = """\
examples:
  hybridner compact runs/mine/composite --output small
  hybridner compact runs/mine/composite --text train.jsonl --window 254 --output small

Kept are ASCII, the symbols and the 3,755 level-one characters of GB 2312, and every character of the files given with --text;
others are read as unknown. What was measured or calibrated before stays as it is: do both before, measure once more after.
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "compact",
        help="make a composite small: common characters only, half precision",
        description="Make a composite small: drop rare characters from its encoders' tables and store weights in half precision.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a composite")
    parser.add_argument("--text", action="append", default=[], metavar="FILE", help="keep its characters too (several times)")
    parser.add_argument("--window", type=int, metavar="N", help="read at most N characters at once (default: as many as now)")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the small composite")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    characters = common_characters().union(*read_texts([], options.text)) if options.text else common_characters()
    model = compact(load_composite(options.model), characters, options.window)
    save_half(model, options.output)
    size = sum(path.stat().st_size for path in Path(options.output).iterdir())
    print(f"{sum(p.numel() for p in model.parameters()):,} weights, {size / 1e6:.1f} MB: {options.output}")
    return 0
