"""Forked processes, such as the workers of `Dataset.map(num_proc=2)` and of data loaders.

A fork has one thread, whatever its parent had; torch's thread pool does not notice and waits for ever for threads that are not
there. With a single thread there is no pool to wait for. Workers share the cores anyway.
"""

from __future__ import annotations

import os

import torch


def use_one_thread_in_forks() -> None:
    """Let torch compute on one thread in every process that is forked from now on."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
