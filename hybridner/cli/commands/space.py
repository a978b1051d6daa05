"""`hybridner space`: the demonstration page, on this computer or for others."""

from __future__ import annotations

import argparse

#: `hybridner.space.serving.MODEL_VARIABLE`, whose import takes long.
_MODEL_VARIABLE = "HYBRIDNER_MODEL"

DESCRIPTION = (
    "Serve a page on which texts are analyzed, entities corrected by hand, files worked through as a queue, and an LLM asked "
    "about doubtful spans."
)
EPILOG = f"""\
examples:
  hybridner space
  hybridner space runs/mine/composite bundled
  hybridner space runs/mine/composite --save reviews
  {_MODEL_VARIABLE}=me/my-composite hybridner space --host 0.0.0.0 --llm-host llm.example.org

With several models visitors choose one; the first is shown on arrival. Reviews stay in the visitor's browser; with --save those
of queues are kept in a folder too, one file each, as `hybridner learn` reads them.

On this computer's own address (the default) the page may send requests to any LLM server. With --public, and on any other
address, it sends them only to well-known public ones and those given with --llm-host, so that visitors cannot reach into your
network through it. Give --public where a proxy or tunnel passes on what others send.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help=f'folder or Hub id of a composite or a member, or "bundled" ({_MODEL_VARIABLE}, or the bundled one)',
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (the first free one from 7860)")
    parser.add_argument(
        "--public", action="store_true", help="others reach the page, through a proxy or tunnel: well-known LLM servers only"
    )
    parser.add_argument("--llm-host", action="append", default=[], metavar="HOST", help="an LLM server visitors may use too")
    parser.add_argument("--save", metavar="FOLDER", help="keep reviews of queues there (only in visitors' browsers)")
    parser.add_argument("--device", help='such as "cpu" or "cuda:0" (default: an accelerator where there is one)')


def run(options: argparse.Namespace) -> int:
    from hybridner.space.serving import serve

    serve(
        options.models,
        options.host,
        options.port,
        public=options.public,
        llm_hosts=options.llm_host,
        save=options.save,
        device=options.device,
    )
    return 0
