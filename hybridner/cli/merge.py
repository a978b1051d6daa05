"""`hybridner merge`: adapter and base -> an ordinary composite."""

from __future__ import annotations

import argparse
from typing import Any

from hybridner.cli.loading import load_composite
from hybridner.errors import ModelError
from hybridner.hybrid import AdaptedHybridNerModel


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "merge",
        help="make an ordinary composite of an adapter and its base",
        description="Add an adapter's changes to its base's weights: an ordinary composite that needs neither of them, reads a "
        "little faster, and can be adapted in turn.",
        epilog="example:\n  hybridner merge clinic --output clinic-composite",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("adapter", metavar="ADAPTER", help="folder or Hub id of an adapter")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the composite")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    model = load_composite(options.adapter)
    if not isinstance(model, AdaptedHybridNerModel):
        raise ModelError(f"{options.adapter} is no adapter but a whole model already")
    model.merged().save_pretrained(options.output)
    print(f"composite: {options.output}")
    return 0
