"""`hybridner push`: a member, a composite or a data set to the Hub."""

from __future__ import annotations

import argparse

from hybridner.cli.terminal import say

DESCRIPTION = (
    "Publish the model or the prepared data set in a folder on the Hugging Face Hub, with its card and what was "
    "written down about it."
)
EPILOG = """\
examples:
  hybridner push runs/cluener/composite me/cluener-hybrid
  hybridner push runs/cluener/spanner me/cluener-spanner --private --revision v2
  hybridner push sncm-open me/sncm-open --public
  HF_ENDPOINT=https://hub.example.org hybridner push my-composite team/my-composite

The token is that of `hf auth login`, or HF_TOKEN. The card is MODEL/README.md where there is one (see `hybridner card`),
else it is made now. Everything goes in one commit, so others see the whole model or nothing of it.
A new repository is public for a model and private for a data set, unless you say otherwise.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="of a member, a composite, or what `hybridner data prepare` wrote")
    parser.add_argument("repo_id", metavar="REPO_ID", help="OWNER/NAME, or NAME under your own name")
    seen = parser.add_mutually_exclusive_group()
    seen.add_argument("--private", action="store_true", help="a new repository is seen only by those with access")
    seen.add_argument("--public", action="store_true", help="a new repository of a data set is seen by all (see its licence)")
    parser.add_argument("--revision", metavar="BRANCH", help="publish on this branch; made from main when it is not there")
    parser.add_argument("--license", metavar="ID", help='of the weights, for a card that is made now, such as "apache-2.0"')


def run(options: argparse.Namespace) -> int:
    from hybridner.hub import HubError, push_dataset, push_model
    from hybridner.hub.dataset_repo import is_dataset_folder

    if is_dataset_folder(options.folder):
        if options.license is not None:
            raise HubError("the licence of a data set stands in its card; --license is for models")
        address = push_dataset(options.folder, options.repo_id, public=options.public, revision=options.revision)
    else:
        address = push_model(
            options.folder, options.repo_id, private=options.private, revision=options.revision, licence=options.license
        )
    say(f"published: {address}")
    return 0
