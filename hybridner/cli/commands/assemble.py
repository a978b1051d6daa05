"""`hybridner assemble`: members -> composite."""

from __future__ import annotations

import argparse
from pathlib import Path

from hybridner.cli.terminal import say
from hybridner.errors import ModelError
from hybridner.files import atomic_folder
from hybridner.spans import RESOLVERS

DESCRIPTION = "Put trained members, one SpanNER among them, together into one folder that `pipeline` loads."
EPILOG = "example:\n  hybridner assemble runs/a/bert-bilstm-crf runs/a/spanner mac=me/my-macbert --output my-composite"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from hybridner.ensemble import COMBINERS

    parser.add_argument(
        "members", nargs="+", metavar="[NAME=]MEMBER", help="folder or Hub id of a member; its name is the folder's unless given"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the composite")
    parser.add_argument("--strategy", choices=list(COMBINERS), default="score", help="how votes are combined (default: score)")
    parser.add_argument("--decoding", choices=list(RESOLVERS), default="flat", help="default: flat")
    parser.add_argument("--gazetteer", metavar="FILE", help="let these terms vote as well (see `hybridner gazetteer`)")
    parser.add_argument("--threshold", type=float, default=0.5, help="entities with uncertainty above it are doubtful (0.5)")


def run(options: argparse.Namespace) -> int:
    from hybridner.gazetteer.files import load_gazetteer
    from hybridner.hybrid import HybridNerModel
    from hybridner.hybrid.loading import load_member
    from hybridner.models import MemberModel

    members: dict[str, MemberModel] = {}
    for argument in options.members:
        name, _, source = argument.rpartition("=")
        name = name or Path(source).name
        if name in members:
            raise ModelError(f"two members are called {name!r}; name them with NAME=MEMBER")
        members[name] = load_member(source)
    model = HybridNerModel.assemble(members, strategy=options.strategy, decoding=options.decoding, threshold=options.threshold)
    if options.gazetteer:
        model.use_gazetteer(load_gazetteer(options.gazetteer, model.config.labels.names))
    with atomic_folder(options.output) as folder:
        model.save_pretrained(folder)
    say(f"composite of {', '.join(members)}: {options.output}")
    return 0
