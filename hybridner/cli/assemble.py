"""`hybridner assemble`: members -> composite."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hybridner.cli.loading import load_member
from hybridner.ensemble import COMBINERS
from hybridner.errors import ModelError
from hybridner.hybrid import HybridNerModel
from hybridner.models import MemberModel
from hybridner.spans import RESOLVERS


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "assemble",
        help="put trained members together into a composite",
        description="Put trained members, one SpanNER among them, together into one folder that `pipeline` loads.",
        epilog="example:\n  hybridner assemble runs/a/bert-bilstm-crf runs/a/spanner mac=me/my-macbert --output my-composite",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "members", nargs="+", metavar="[NAME=]MEMBER", help="folder or Hub id of a member; its name is the folder's unless given"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the composite")
    parser.add_argument("--strategy", choices=list(COMBINERS), default="score", help="how votes are combined (default: score)")
    parser.add_argument("--decoding", choices=list(RESOLVERS), default="flat", help="default: flat")
    parser.add_argument("--threshold", type=float, default=0.5, help="entities with uncertainty above it are doubtful (0.5)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    members: dict[str, MemberModel] = {}
    for argument in options.members:
        name, _, source = argument.rpartition("=")
        name = name or Path(source).name
        if name in members:
            raise ModelError(f"two members are called {name!r}; name them with NAME=MEMBER")
        members[name] = load_member(source)
    model = HybridNerModel.assemble(members, strategy=options.strategy, decoding=options.decoding, threshold=options.threshold)
    model.save_pretrained(options.output)
    print(f"composite of {', '.join(members)}: {options.output}")
    return 0
