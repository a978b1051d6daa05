"""Which model it was: a fingerprint of everything that decides what it says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import torch

from hybridner.export import OnnxHybridNerModel
from hybridner.hybrid import CompositeModel

#: Parts of a configuration that say where a model came from, not what it is.
_ELSEWHERE = ("_name_or_path", "transformers_version", "architectures")


def fingerprint(model: CompositeModel) -> str:
    """SHA-256 (first 16 digits) over configuration, vocabularies, weights and what else a model has; the same everywhere.

    Args:
        model: any composite.

    Examples:
        >>> len(fingerprint(model))
        16
    """
    digest = hashlib.sha256()
    config = {name: value for name, value in model.config.to_dict().items() if name not in _ELSEWHERE}
    vocabularies = [asdict(vocabulary) for vocabulary in model.vocabularies]
    digest.update(json.dumps([config, vocabularies], sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    for kind, stacker in sorted(model.stackers.items()):
        digest.update(kind.encode() + stacker.data)
    if model.gazetteer is not None:
        digest.update(model.gazetteer.fingerprint.encode())
    if isinstance(model, OnnxHybridNerModel) and model.graph is not None:
        digest.update(model.graph.read_bytes())
    return digest.hexdigest()[:16]
