"""What the modules that `accelerate launch -m` starts have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from accelerate import PartialState

from hybridner.errors import HybridNerError


def launched(
    name: str, description: str, add_arguments: Callable[[argparse.ArgumentParser], None], run: Callable[[argparse.Namespace], int]
) -> int:
    """Parse the command line and run; every process calls this, the main one says what went wrong."""
    parser = argparse.ArgumentParser(prog=name, description=description)
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except HybridNerError as error:
        if PartialState().is_main_process:
            print(f"hybridner: error: {error}", file=sys.stderr)
        return 1
