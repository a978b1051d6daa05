"""What the modules that `accelerate launch -m` starts have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from accelerate import PartialState

from hybridner.errors import HybridNerError


def launched(
    name: str,
    description: str,
    add_arguments: Callable[[argparse.ArgumentParser], None],
    run: Callable[[argparse.Namespace], int],
) -> int:
    """Parse the command line and run; every process calls this, and each says what went wrong with it."""
    parser = argparse.ArgumentParser(prog=name, description=description)
    add_arguments(parser)
    try:
        return run(parser.parse_args())
    except HybridNerError as error:
        # The launcher ends all processes when one fails, so the main one may not live to tell.
        state = PartialState()
        where = "" if state.is_main_process else f"process {state.process_index}: "
        print(f"hybridner: error: {where}{error}", file=sys.stderr)
        return 1
