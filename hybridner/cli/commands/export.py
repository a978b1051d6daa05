"""`hybridner export`: a model as an ONNX graph."""

from __future__ import annotations

import argparse
from pathlib import Path

from hybridner.cli.terminal import say
from hybridner.files import atomic_folder

DESCRIPTION = (
    "Write a composite or a member as an ONNX graph of encoders and scores, with all that reading texts needs "
    "beside it. In single precision it gives the same entities; with --int8 it is a quarter of the size and faster, and may "
    "lose a little."
)
EPILOG = """\
example:
  hybridner export runs/cluener/composite --output cluener-int8 --int8
  hybridner predict cluener-int8 "美国海军在红海部署了抗干扰天线。"

The folder is used like any other model, in Python by pipeline("hybrid-ner", model="cluener-int8"). It needs
pip install "hybridner[onnx]" and runs on the CPU.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id of a composite or a member")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the exported model")
    parser.add_argument("--int8", action="store_true", help="weights in 8 bits, activations quantised as they come")


def run(options: argparse.Namespace) -> int:
    from hybridner.export import export_onnx
    from hybridner.hybrid.loading import load_composite

    model = load_composite(options.model)
    with atomic_folder(options.output) as folder:
        export_onnx(model, folder, int8=options.int8)
    size = sum(file.stat().st_size for file in Path(options.output).iterdir())
    say(f"{'int8' if options.int8 else 'fp32'} model of {size / 1e6:.1f} MB: {options.output}")
    return 0
