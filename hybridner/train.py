"""``accelerate launch -m hybridner.train RECIPE.yaml``: training on as many processes as Accelerate starts."""

from __future__ import annotations

import sys

from hybridner.cli.train import add_arguments, run
from hybridner.launch import launched

if __name__ == "__main__":
    sys.exit(launched("hybridner.train", str(__doc__), add_arguments, run))
