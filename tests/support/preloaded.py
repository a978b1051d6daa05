"""What commands import, for the server that forks them; see tests/support/forked.py."""

from __future__ import annotations

import datasets  # noqa: F401
import openai  # noqa: F401
import pytest  # noqa: F401
import torch

import hybridner.bootstrap
import hybridner.cli.main
import hybridner.export
import hybridner.hub
import hybridner.pipeline
import hybridner.training.crossval
import hybridner.training.run  # noqa: F401

# OMP_NUM_THREADS is read when torch is imported, before a process has an environment of its own.
torch.set_num_threads(1)
