"""What commands have in common that Accelerate may start as several processes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from hybridner.errors import HybridNerError

#: Processes wait for each other while one of them works for all, or is not done with its part; that may take long.
_PATIENCE = timedelta(days=30)


def processes() -> PartialState:
    """The processes that were launched together, and which of them this is.

    Of itself `PartialState` looks for processes on accelerators only, and every process on a CPU would believe to be alone.
    """
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    return PartialState(cpu=on_cpu, timeout=_PATIENCE)


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
        state = processes()
        where = "" if state.is_main_process else f"process {state.process_index}: "
        print(f"hybridner: error: {where}{error}", file=sys.stderr)
        return 1
