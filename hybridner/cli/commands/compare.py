"""`hybridner compare`: tables, intervals and plots of saved runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hybridner.cli.terminal import say
from hybridner.files import write_bytes, write_json, write_text

if TYPE_CHECKING:
    from hybridner.evaluation import Run

DESCRIPTION = (
    "Compare every member, combining strategy and hybrid in runs that `hybridner evaluate --save` wrote: "
    "bootstrap intervals, McNemar's and Wilcoxon's tests against a baseline. Needs no model."
)
EPILOG = """\
examples:
  hybridner evaluate runs/a/composite dev.json --save runs/a.json --dataset CLUENER --split dev
  hybridner compare runs/a.json --output report
  hybridner compare runs/*.json --baseline spanner --output report

Runs of the same data, split, encoder, training size and decoding are put together (mean ± sd over their seeds or folds). The
report is DIR/comparison.md and DIR/comparison.json, and with matplotlib DIR/f1.png and DIR/differences.png.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="saved runs, of one data set or of several")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the report")
    parser.add_argument("--baseline", default="majority", metavar="SYSTEM", help="differences are to this system (majority)")


def run(options: argparse.Namespace) -> int:
    from hybridner.evaluation import Run

    write_report([Run.load(path) for path in options.runs], options.baseline, Path(options.output))
    return 0


def write_report(runs: Sequence[Run], baseline: str, folder: Path, caveats: Sequence[str] = ()) -> None:
    """Compare runs and write tables, figures and, with matplotlib, plots into a folder.

    Args:
        runs: of one data set or of several.
        baseline: differences are to this system.
        folder: is made.
        caveats: paragraphs that stand above all tables.
    """
    from hybridner.evaluation.comparison import compare
    from hybridner.evaluation.markdown import to_markdown
    from hybridner.evaluation.plots import draw_differences, draw_scores

    comparison = compare(runs, baseline)
    pictures: list[tuple[str, str]] = []
    if find_spec("matplotlib") is None:
        say('no plots: they need matplotlib (`pip install "hybridner[plots]"`)')
    else:
        for title, name, draw in (("F1", "f1.png", draw_scores), ("Differences", "differences.png", draw_differences)):
            write_bytes(folder / name, draw(comparison))
            pictures.append((title, name))
    write_json(folder / "comparison.json", comparison.to_dict())
    write_text(folder / "comparison.md", to_markdown(comparison, pictures, caveats))
    say(f"comparison: {folder / 'comparison.md'}")
