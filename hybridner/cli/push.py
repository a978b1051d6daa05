"""`hybridner push`: a member or a composite to the Hub."""

from __future__ import annotations

import argparse
from typing import Any

from hybridner.hub import push_folder

_EXAMPLES = """\
examples:
  hybridner push runs/cluener/composite me/cluener-hybrid
  hybridner push runs/cluener/spanner me/cluener-spanner --private --revision v2
  HF_ENDPOINT=https://hub.example.org hybridner push my-composite team/my-composite

The token is that of `hf auth login`, or HF_TOKEN. The card is MODEL/README.md where there is one (see `hybridner card`),
else it is made now. Everything goes in one commit, so others see the whole model or nothing of it.
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "push",
        help="publish a member or a composite on the Hub",
        description="Publish the model in a folder on the Hugging Face Hub, with its card and what was written down about it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder of a member or a composite")
    parser.add_argument("repo_id", metavar="REPO_ID", help="NAME/MODEL, or MODEL under your own name")
    parser.add_argument("--private", action="store_true", help="a new repository is seen only by those with access")
    parser.add_argument("--revision", metavar="BRANCH", help="publish on this branch; made from main when it is not there")
    parser.add_argument("--license", metavar="ID", help='of the weights, for a card that is made now, such as "apache-2.0"')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    address = push_folder(
        options.model, options.repo_id, private=options.private, revision=options.revision, licence=options.license
    )
    print(f"published: {address}")
    return 0
