"""``python -m hybridner COMMAND``, and ``accelerate launch -m hybridner COMMAND`` on as many processes as Accelerate starts."""

from __future__ import annotations

import sys

from hybridner.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
