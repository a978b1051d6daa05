"""Several processes that Accelerate starts together."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
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
    if is_alone_by_mistake(os.environ):
        warnings.warn(
            "only one process was started though more were asked for: on a CPU, accelerate needs --multi_gpu to start several "
            "(ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 -m hybridner ...)",
            stacklevel=2,
        )
    return PartialState(cpu=on_cpu, timeout=_PATIENCE)


def is_alone_by_mistake(environment: Mapping[str, str]) -> bool:
    """Whether Accelerate was to start several processes and has started one.

    Without an accelerator and without --multi_gpu it prepares the address at which several would meet, and starts a single one.
    `PartialState` sets the missing variables, so that only the first call can tell.
    """
    return {"ACCELERATE_MIXED_PRECISION", "MASTER_PORT"} <= environment.keys() and "WORLD_SIZE" not in environment
