"""Several processes that Accelerate starts together."""

from __future__ import annotations

from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

#: Processes wait for each other while one of them works for all, or is not done with its part; that may take long.
_PATIENCE = timedelta(days=30)


def processes() -> PartialState:
    """The processes that were launched together, and which of them this is.

    Of itself `PartialState` looks for processes on accelerators only, and every process on a CPU would believe to be alone.
    """
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    return PartialState(cpu=on_cpu, timeout=_PATIENCE)
