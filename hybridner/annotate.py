"""``accelerate launch -m hybridner.annotate MODEL INPUT --output DIR``: bulk annotation on all processes Accelerate starts."""

from __future__ import annotations

import sys

from hybridner.cli.annotate import add_arguments, run
from hybridner.launch import launched

if __name__ == "__main__":
    sys.exit(launched("hybridner.annotate", str(__doc__), add_arguments, run))
