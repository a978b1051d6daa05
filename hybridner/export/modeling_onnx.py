"""The ONNX backend of a composite: a graph on onnxruntime computes the logits, the rest is the same as in torch."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers.utils import logging

from hybridner.errors import ModelError
from hybridner.export.configuration_onnx import OnnxHybridNerConfig
from hybridner.export.graph import INPUTS, write_graph
from hybridner.hybrid import AdaptedHybridNerModel, CompositeModel, HybridNerModel
from hybridner.hybrid.modeling_composite import refuse_no_members
from hybridner.models import MEMBER_CLASSES, HybridNerOutput, MemberModel
from hybridner.models.decoders import Decoder
from hybridner.models.encoders import max_encoder_characters
from hybridner.models.loading import companion_file
from hybridner.optional import require

GRAPH_FILE = "model.onnx"
"""The file of the graph in an exported composite's folder."""

#: What the configuration of a composite has that is not about what it does.
_NOT_CARRIED = {"model_type", "architectures", "dtype", "transformers_version", "_name_or_path", "precision", "parameters"}


class OnnxHybridNerModel(CompositeModel):
    """A composite whose logits a graph computes, on the CPU, with as many threads as torch has. It only reads texts."""

    config_class = OnnxHybridNerConfig

    def __init__(self, config: OnnxHybridNerConfig) -> None:
        super().__init__(config)
        refuse_no_members(config)
        self.members = nn.ModuleDict(
            {
                name: nn.ModuleDict({"decoder": MEMBER_CLASSES[member.model_type].head_class.decoder_class(member)})
                for name, member in config.member_configs().items()
            }
        )
        self.vocabularies, self.stackers = [], {}
        self._session: Any = None
        self._graph: Path | None = None
        self.post_init()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As `CompositeModel.from_pretrained`, from what `export_onnx` wrote.

        Raises:
            ModelError: a file is missing or damaged, or onnxruntime is not installed.
        """
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.open_graph(Path(companion_file(pretrained_model_name_or_path, GRAPH_FILE, kwargs)))
        return loaded

    def open_graph(self, path: Path) -> None:
        """Run this graph from now on.

        Raises:
            ModelError: onnxruntime is not installed or cannot read the file.
        """
        require("onnxruntime", "onnx")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # In int8 windows run side by side, each on one thread; several threads for one short window cost more than they gain.
        options.intra_op_num_threads = 1 if self.config.precision == "int8" else torch.get_num_threads()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise ModelError(f"onnxruntime cannot read {path}: {error}; export the model again") from error
        self._graph = path

    @property
    def graph(self) -> Path | None:
        """The file of the graph that is open."""
        return self._graph

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """As `CompositeModel.save_pretrained`, and the graph beside it."""
        target = Path(save_directory) / GRAPH_FILE
        if self._graph is not None and kwargs.get("is_main_process", True) and target.absolute() != self._graph.absolute():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._graph, target)
        return super().save_pretrained(save_directory, *args, **kwargs)

    def character_logits(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        """Every member's logits of the characters, and their strangeness; as `CompositeModel.character_logits`.

        Raises:
            ModelError: no graph is open.
        """
        if self._session is None:
            raise ModelError("this model has no ONNX graph; load one that `hybridner export` wrote")
        if self.config.precision != "int8":
            return self._run(input_ids, attention_mask)
        # Activations are quantized with one scale for a whole batch: alone and without padding, a text gets its own, and what is
        # found in it does not depend on its neighbors.
        lengths = attention_mask.sum(1).tolist()
        windows = [
            (ids[None, :, :length], mask[None, :length])
            for ids, mask, length in zip(input_ids, attention_mask, lengths, strict=True)
        ]
        rows = _side_by_side(self._run, windows)
        return tuple(pad_sequence([part[0] for part in parts], batch_first=True) for parts in zip(*rows, strict=True))

    def _run(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        inputs = (part.cpu().numpy().astype(np.int64, copy=False) for part in (input_ids, attention_mask))
        outputs = self._session.run(None, dict(zip(INPUTS, inputs, strict=True)))
        return tuple(torch.from_numpy(output).to(self.device) for output in outputs)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> HybridNerOutput:
        """As `HybridNerModel.forward`, without gold."""
        mask = torch.ones_like(input_ids[..., 0, :]) if attention_mask is None else attention_mask
        parts, count = self.character_logits(input_ids, mask), len(self.member_names)
        return HybridNerOutput(logits=parts[:count], strangeness=parts[count][..., 0] if parts[count:] else None)

    @property
    def decoders(self) -> list[Decoder]:
        return [cast("nn.ModuleDict", member)["decoder"] for member in self.members.values()]  # type: ignore[misc]

    @cached_property
    def max_characters(self) -> int:
        return min(max_encoder_characters(member.build_encoder_config()) for member in self.config.member_configs().values())


def _side_by_side(
    run: Callable[[Tensor, Tensor], tuple[Tensor, ...]], windows: Sequence[tuple[Tensor, Tensor]]
) -> list[tuple[Tensor, ...]]:
    """What `run` gives for each window, on as many threads as torch has; onnxruntime lets other threads run meanwhile."""
    threads = min(torch.get_num_threads(), len(windows))
    if threads == 1:
        return [run(*window) for window in windows]
    # A pool for each batch: one that were kept would have no threads in a forked process, and wait for ever.
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda window: run(*window), windows))


def export_onnx(model: CompositeModel | MemberModel, folder: str | os.PathLike[str], *, int8: bool = False) -> None:
    """Write a composite, or a single member as a composite of one, as a folder that `pipeline` runs on onnxruntime.

    The folder is complete: configuration, vocabularies, the graph `model.onnx`, and the little that decoding needs as
    `model.safetensors`.

    Args:
        model: what to export; an adapter is merged with its base.
        folder: where it goes; made when it is not there.
        int8: whether weights are stored in 8 bits, and activations quantised as they come: a quarter of the size and on CPUs
            more than twice as fast, at a small loss of quality.

    Raises:
        ModelError: the model is an exported one already, the encoder cannot be exported, or a package is missing.
    """
    if isinstance(model, OnnxHybridNerModel):
        raise ModelError("this model has been exported to ONNX already")
    if isinstance(model, MemberModel):
        model = HybridNerModel.assemble({model.config.model_type: model})
    if isinstance(model, AdaptedHybridNerModel):
        model = model.merged()
    if not isinstance(model, HybridNerModel):
        raise ModelError(f"only composites and members can be exported, not a {type(model).__name__}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(model, folder / GRAPH_FILE, int8=int8)
    settings = {name: value for name, value in model.config.to_dict().items() if name not in _NOT_CARRIED}
    config = OnnxHybridNerConfig(**settings, precision="int8" if int8 else "fp32", parameters=_parameters(model))
    with torch.device("meta"):
        exported = OnnxHybridNerModel(config)
    wanted, weights = exported.state_dict(), model.state_dict()
    exported.load_state_dict({name: weights[name].float().cpu() for name in wanted}, assign=True)
    exported.vocabularies = model.vocabularies
    exported.take_companions(model)
    exported.save_pretrained(folder)


def as_onnx(model: CompositeModel | MemberModel) -> OnnxHybridNerModel:
    """The same model on onnxruntime in single precision, exported on the spot (some seconds for each member).

    Args:
        model: a composite, or a single member as a composite of one.

    Raises:
        ModelError: it is an exported one already, its encoder cannot be exported, or a package is missing.
    """
    if isinstance(model, OnnxHybridNerModel):
        return model
    folder = tempfile.TemporaryDirectory(prefix="hybridner-onnx-")
    export_onnx(model, folder.name)
    progress = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        exported: OnnxHybridNerModel = OnnxHybridNerModel.from_pretrained(folder.name)
    finally:
        if progress:
            logging.enable_progress_bar()
    # The folder lives as long as the model, which may be saved elsewhere.
    exported._folder = folder  # type: ignore[assignment]
    return exported


def _parameters(model: HybridNerModel) -> dict[str, int]:
    """Weights of each member, with its encoder where no other reads through it; shared ones under ""."""
    counts = Counter({name: sum(p.numel() for p in head.parameters()) for name, head in model.members.items()})
    for number, encoder in enumerate(model.encoders):
        readers = [entry["name"] for entry in model.config.members if entry["encoder"] == number]
        counts[readers[0] if len(readers) == 1 else ""] += sum(p.numel() for p in encoder.parameters())
    return dict(counts)
