"""``accelerate launch -m hybridner.crossval RECIPE.yaml``: out-of-fold predictions on as many processes as Accelerate starts."""

from __future__ import annotations

import sys

from hybridner.cli.crossval import add_arguments, run
from hybridner.launch import launched

if __name__ == "__main__":
    sys.exit(launched("hybridner.crossval", str(__doc__), add_arguments, run))
