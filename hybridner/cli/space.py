"""`hybridner space`: the demonstration page, on this computer or for others."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from hybridner.bundled import BUNDLED
from hybridner.cli.loading import load_composite
from hybridner.errors import ModelError
from hybridner.pipeline import HybridNerPipeline

#: Names the model where no option does.
MODEL_VARIABLE = "HYBRIDNER_MODEL"

_EXAMPLES = f"""\
examples:
  hybridner space
  hybridner space --model runs/mine/composite
  {MODEL_VARIABLE}=me/my-composite hybridner space --host 0.0.0.0 --llm-host llm.example.org

On this computer's own address (the default) the page may ask any LLM server. On any other it asks only well-known public
ones and those given with --llm-host, so that visitors cannot reach into your network through it.
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "space",
        help="open a page to try a model in the browser",
        description="Serve a page on which texts are read, doubts are seen and an LLM can be asked about them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model", metavar="MODEL", help=f"folder or Hub id of a composite or a member ({MODEL_VARIABLE}, or the bundled one)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (the first free one from 7860)")
    parser.add_argument("--llm-host", action="append", default=[], metavar="HOST", help="an LLM server visitors may use too")
    parser.add_argument("--device", help='such as "cpu" or "cuda:0" (default: an accelerator where there is one)')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    serve(options.model, options.host, options.port, llm_hosts=options.llm_host, device=options.device)
    return 0


def serve(
    model: str | None, host: str, port: int | None = None, *, llm_hosts: Sequence[str] = (), device: str | None = None
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        model: folder or Hub id; None for what HYBRIDNER_MODEL says, or the bundled one.
        host, port: where to listen; without a port the first free one from 7860.
        llm_hosts: LLM servers that visitors may use beside the well-known ones.
        device: where the model runs.

    Raises:
        ModelError: a model that cannot be loaded, an address that is taken, or gradio is missing.
    """
    source = model or os.environ.get(MODEL_VARIABLE) or BUNDLED
    try:
        from hybridner.space.page import build, launch_settings
    except ImportError as error:
        raise ModelError(f"the page needs gradio: pip install 'hybridner[space]' ({error})") from error
    from hybridner.space import Service
    from hybridner.space.limits import allowed_hosts

    pipe = HybridNerPipeline(load_composite(source), device=device)
    service = Service(pipe, hosts=allowed_hosts(host, llm_hosts))
    try:
        build(service).launch(server_name=host, server_port=port, **launch_settings(service))
    except OSError as error:
        raise ModelError(f"cannot listen on {host}, port {port or '7860 and up'}: {error}") from error
