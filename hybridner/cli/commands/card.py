"""`hybridner card`: the model card of a member or a composite."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hybridner.cli.terminal import say
from hybridner.errors import ModelError
from hybridner.files import write_bytes, write_json, write_text

if TYPE_CHECKING:
    from hybridner.hub.model_card import EnergyUse


DESCRIPTION = "Write a model card from what training and evaluation recorded."
EPILOG = """\
examples:
  hybridner card runs/cluener/composite --data test.json --dataset CLUENER --split test
  hybridner card runs/cluener/composite --output -            # look at it first

With --data the model is measured; the figures are kept as MODEL/evaluation.json (and as a picture where matplotlib is installed);
later cards of the same weights show them.
`hybridner push` publishes the card.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="folder of a member or a composite")
    parser.add_argument("--data", metavar="FILE", help="measure on this labelled file first")
    parser.add_argument("--dataset", metavar="NAME", help="what the data set is called (default: the file's name)")
    parser.add_argument("--split", metavar="NAME", default="test", help="which split of the data set it is (test)")
    parser.add_argument("--output", metavar="FILE", help="where the card goes (MODEL/README.md); - for standard output")
    parser.add_argument("--overwrite", action="store_true", help="replace a card that is there")
    parser.add_argument("--repo-id", metavar="REPO_ID", help="name of the repository, for the examples")
    parser.add_argument("--license", metavar="ID", help='of the weights, such as "apache-2.0"')
    parser.add_argument("--watts", type=float, metavar="W", help="what the machine drew while training, for its emissions")
    parser.add_argument("--grams-per-kwh", type=float, metavar="G", help="CO2 equivalents of its electricity; with --watts")
    parser.add_argument("--template", metavar="FILE", help="a Jinja template of your own")


def run(options: argparse.Namespace) -> int:
    from hybridner.hub import make_card, read_model_folder
    from hybridner.hub.model_card import TEMPLATE
    from hybridner.hub.model_folder import CARD_FILE

    folder = Path(options.model)
    output = None if options.output == "-" else Path(options.output or folder / CARD_FILE)
    if output is not None and output.exists() and not options.overwrite:
        raise ModelError(f"{output} is there already, perhaps with words of your own; --overwrite replaces it")
    if options.data is not None:
        _measure(folder, options)
    card = make_card(
        read_model_folder(folder),
        repo_id=options.repo_id,
        licence=options.license,
        energy_use=_energy_use(options),
        template=options.template or TEMPLATE,
    )
    if output is None:
        sys.stdout.write(str(card))
    else:
        write_text(output, str(card))
        say(f"card: {output}")
    return 0


def _energy_use(options: argparse.Namespace) -> EnergyUse | None:
    from hybridner.hub.model_card import EnergyUse

    if (options.watts is None) != (options.grams_per_kwh is None):
        raise ModelError("an estimate of emissions needs both --watts and --grams-per-kwh")
    return EnergyUse(options.watts, options.grams_per_kwh) if options.watts is not None else None


def _measure(folder: Path, options: argparse.Namespace) -> None:
    """Measure, and replace the figures and the picture beside the model."""
    from hybridner.data import read_records
    from hybridner.hub import measure_model, read_model_folder
    from hybridner.hub.model_folder import EVALUATION_FILE, PLOT_FILE
    from hybridner.hub.plots import draw
    from hybridner.hybrid.loading import load_composite

    record = read_model_folder(folder, measured=False)
    evaluation = measure_model(
        load_composite(str(folder)),
        read_records(options.data),
        fingerprint=record.fingerprint,
        data=options.dataset or Path(options.data).name,
        split=options.split,
    )
    write_json(folder / EVALUATION_FILE, evaluation)
    picture = draw(evaluation)
    if picture is None:
        (folder / PLOT_FILE).unlink(missing_ok=True)  # of earlier figures
    else:
        write_bytes(folder / PLOT_FILE, picture)
