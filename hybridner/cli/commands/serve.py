"""`hybridner serve`: a web service."""

from __future__ import annotations

import argparse

from hybridner.bundled import BUNDLED
from hybridner.cli.arguments import LLM_FILE, require_llm

DESCRIPTION = (
    "Answer requests for entities over HTTP. Texts of requests that wait at the same time are read together. /docs documents the "
    "interface; /health, /ready and /metrics are for whoever runs it. The log has one JSON object a line, without texts."
)
EPILOG = f"""\
examples:
  hybridner serve
  hybridner serve runs/mine/composite --host 0.0.0.0 --port 8000
  hybridner serve mine-int8 --threads 4
  hybridner serve runs/mine/composite --llm llm.yaml --llm-cache answers.sqlite

A request: curl http://127.0.0.1:8000/predict -d '{{"inputs": "俄罗斯部署了干扰机。"}}'
The fastest on CPUs is a model that `hybridner export --int8` wrote.
Needs: pip install "hybridner[serve]", and with --llm "hybridner[serve,llm]".
Anyone who reaches the address may send texts: put it behind a gateway that knows who may.

With --llm the LLM is asked about the doubtful spans of each request; where it fails or is too slow, the members' entities stay.
A request with "parameters": {{"llm": false}} is answered without it. The budget is that of the whole run, from start to stop.

{LLM_FILE}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", nargs="?", default=BUNDLED, metavar="MODEL", help=f"folder or Hub id of a composite or a member ({BUNDLED})"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 for any free one (8000)")
    parser.add_argument("--device", help='such as "cuda:0" (default: the CPU)')
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the CPU (default: as many as torch takes)")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="most texts read together (32)")
    parser.add_argument("--texts", type=int, default=256, metavar="N", help="most texts of a request (256)")
    parser.add_argument("--characters", type=int, default=100_000, metavar="N", help="most characters of a request (100000)")
    parser.add_argument("--waiting", type=int, default=1_024, metavar="N", help="most texts that may wait (1024)")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="until a request is answered (30)")
    parser.add_argument("--llm", metavar="FILE", help="YAML file: verifier and settings of an LLM for the doubtful spans")
    parser.add_argument("--llm-cache", metavar="FILE", help="keep the LLM's answers in this file, and ask nothing twice")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), default="info", help="(info)")


def run(options: argparse.Namespace) -> int:
    from hybridner.llm.llm_file import read_llm_file
    from hybridner.serving.limits import Limits
    from hybridner.serving.server import serve

    require_llm(options, ("llm_cache",))
    limits = Limits(
        texts=options.texts,
        characters=options.characters,
        seconds=options.timeout,
        waiting=options.waiting,
        batch=options.batch,
    )
    serve(
        options.model,
        options.host,
        options.port,
        limits=limits,
        device=options.device,
        threads=options.threads,
        log_level=options.log_level,
        llm=read_llm_file(options.llm) if options.llm else None,
        llm_cache=options.llm_cache,
    )
    return 0
