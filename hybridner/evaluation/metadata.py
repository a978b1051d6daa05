"""The metadata of a run, from what training wrote down and from the machine at hand."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
import transformers

from hybridner.evaluation.runs import RunMetadata


def collect_metadata(
    reports: Mapping[str, Mapping[str, Any]], *, data: str, split: str, decoding: str, fold: int | None = None
) -> RunMetadata:
    """What has to stand beside the figures of a model.

    Args:
        reports: the training report (`training.json`) of each member, as far as there is one; what none of them says stays
            "unknown" or None, and so does a seed or a size in which they differ.
        data, split, decoding, fold: see `RunMetadata`.

    Examples:
        >>> about = collect_metadata({}, data="sncm", split="test", decoding="flat")
        >>> about.data, about.encoder, about.seed
        ('sncm', 'unknown', None)
    """
    recipes = [(name, report["recipe"]) for name, report in reports.items()]
    encoders = _distinct(_encoder(recipe["members"][name]) for name, recipe in recipes if name in recipe["members"])
    read_on = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{platform.machine()} CPU"
    trained_on = _distinct(str(report["device"]) for report in reports.values())
    same = not trained_on or trained_on == [read_on]
    return RunMetadata(
        data=data,
        split=split,
        decoding=decoding,
        encoder=" / ".join(encoders) or "unknown",
        seed=_only(recipe["training"]["seed"] for _, recipe in recipes),
        fold=fold,
        train_size=_only(report["records"]["train"] for report in reports.values()),
        hardware=read_on if same else f"trained on {', '.join(trained_on)}; read on {read_on}",
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "numpy": numpy.__version__,
        },
    )


def _encoder(member: Mapping[str, Any]) -> str:
    """The name of a member's encoder, without the folders it lies in, and how many of its layers are used."""
    encoder, layers = member.get("encoder"), member.get("num_hidden_layers")
    if isinstance(encoder, Mapping):
        return "random weights"
    # A Hub id is kept whole; whether it is one can only be guessed from its form.
    text = str(encoder)
    name = text if text.count("/") == 1 and text[0] not in "./~" and not Path(text).exists() else Path(text).name
    return f"{name} ({layers} layers)" if layers else name


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _only(values: Iterable[int]) -> int | None:
    """The value on which all agree."""
    found = set(values)
    return found.pop() if len(found) == 1 else None
