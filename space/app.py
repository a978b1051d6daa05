"""The Space: the page of `hybridner space` for the model that HYBRIDNER_MODEL names, or the bundled one."""

from __future__ import annotations

import os
import sys

from hybridner.errors import HybridNerError
from hybridner.space.serving import serve

if __name__ == "__main__":
    try:
        # Where a Space runs, these say where to listen, and that others reach it.
        serve(
            (),
            os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
            int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
            public="SPACE_ID" in os.environ,
        )
    except HybridNerError as error:
        sys.exit(f"hybridner space: {error}")
