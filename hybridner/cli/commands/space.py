"""`hybridner space`: the demonstration page, on this computer or for others."""

from __future__ import annotations

import argparse

#: `hybridner.space.serving.MODEL_VARIABLE`, whose import takes long.
_MODEL_VARIABLE = "HYBRIDNER_MODEL"

DESCRIPTION = "Serve a page on which texts are analyzed, doubtful entities are seen and an LLM can decide about them."
EPILOG = f"""\
examples:
  hybridner space
  hybridner space --model runs/mine/composite
  {_MODEL_VARIABLE}=me/my-composite hybridner space --host 0.0.0.0 --llm-host llm.example.org

On this computer's own address (the default) the page may send requests to any LLM server. With --public, and on any other
address, it sends them only to well-known public ones and those given with --llm-host, so that visitors cannot reach into your
network through it. Give --public where a proxy or tunnel passes on what others send.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="MODEL", help=f"folder or Hub id of a composite or a member ({_MODEL_VARIABLE}, or the bundled one)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (the first free one from 7860)")
    parser.add_argument(
        "--public", action="store_true", help="others reach the page, through a proxy or tunnel: well-known LLM servers only"
    )
    parser.add_argument("--llm-host", action="append", default=[], metavar="HOST", help="an LLM server visitors may use too")
    parser.add_argument("--device", help='such as "cpu" or "cuda:0" (default: an accelerator where there is one)')


def run(options: argparse.Namespace) -> int:
    from hybridner.space.serving import serve

    serve(
        options.model,
        options.host,
        options.port,
        public=options.public,
        llm_hosts=options.llm_host,
        device=options.device,
    )
    return 0
