"""``accelerate launch -m hybridner.train RECIPE.yaml``: training on as many processes as Accelerate starts."""

from __future__ import annotations

import argparse
import sys

from accelerate import PartialState

from hybridner.cli.train import add_arguments, run
from hybridner.errors import HybridNerError


def main() -> int:
    """Run the recipe named on the command line; every process calls this."""
    parser = argparse.ArgumentParser(prog="hybridner.train", description=__doc__)
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except HybridNerError as error:
        if PartialState().is_main_process:
            print(f"hybridner: error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
