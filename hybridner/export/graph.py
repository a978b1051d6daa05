"""From a composite to its ONNX graph: encoders and heads, from token ids to each character's logits.

What works on whole texts (CRF, span decoding, votes) stays outside: it is a small share of the time, needs loops, and is the same
code whichever runtime gives the scores.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hybridner.errors import ModelError
from hybridner.export.operators import ATTENTION, in_exported_form, register_attention
from hybridner.export.outliers import EXACT, split_outliers
from hybridner.hybrid import HybridNerModel
from hybridner.models.encoders import SPECIAL_TOKENS
from hybridner.optional import require

#: The first operator set that knows GELU; onnxruntime reads it since 1.17.
OPSET = 20
#: What is stored in 8 bits: matrix products, embeddings and LSTMs. onnxruntime has no 8-bit GRU.
QUANTIZED = ("MatMul", "Gemm", "Gather", "LSTM")
#: The first torch whose exporter can do what is asked of it here.
_OLDEST_TORCH = "2.8"
INPUTS = ("input_ids", "attention_mask")


class _Logits(nn.Module):
    """A composite's forward in operators that export, with a plain tuple of tensors as its output."""

    def __init__(self, model: HybridNerModel, *, int8: bool) -> None:
        super().__init__()
        prepared: Any = in_exported_form(copy.deepcopy(model).cpu().float().eval())
        for encoder, entry in zip(prepared.encoders, prepared.config.encoders, strict=True):
            encoder.config._attn_implementation = ATTENTION
            if int8:
                split_outliers(encoder, model.vocabularies[entry["vocabulary"]])
        self.model = prepared

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model.character_logits(input_ids, attention_mask))


def write_graph(model: HybridNerModel, path: Path, *, int8: bool) -> None:
    """Write the graph of a composite.

    Its inputs are `input_ids` int64 [B, V, n + 2] and `attention_mask` int64 [B, n + 2], its outputs one `logits.NAME`
    float32 [B, n, D] per member, and `strangeness` [B, n, 1] of a model that has a detector; B and n may be any number from 1
    on (n at most what the encoders read at once), padding to the right.

    Args:
        model: an ordinary composite.
        path: the file to write.
        int8: whether weights are stored in 8 bits, and activations quantised as they come.

    Raises:
        ModelError: onnx is not installed, torch is too old, or the encoder has something that cannot be exported.
    """
    # A TorchVersion, which knows that 2.10 comes after 2.8.
    if torch.__version__ < _OLDEST_TORCH:
        raise ModelError(f"exporting to ONNX needs torch {_OLDEST_TORCH} or later, and this is {torch.__version__}; update torch")
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package, "onnx")
    register_attention()
    with _quietly():
        program = _exported(model, int8=int8)
        if not int8:
            program.save(str(path), external_data=False)
            return
        whole = path.with_name(path.name + ".fp32")
        try:
            program.save(str(whole), external_data=False)
            _quantize(whole, path)
        finally:
            whole.unlink(missing_ok=True)


def _exported(model: HybridNerModel, *, int8: bool) -> Any:
    longest = model.max_characters + SPECIAL_TOKENS
    ids = torch.zeros(2, len(model.vocabularies), min(12, longest), dtype=torch.long)
    mask = torch.ones(2, ids.size(2), dtype=torch.long)
    rows, tokens = torch.export.Dim("rows"), torch.export.Dim("tokens", min=SPECIAL_TOKENS + 1, max=longest)
    try:
        return torch.onnx.export(
            _Logits(model, int8=int8),
            (ids, mask),
            dynamo=True,
            input_names=list(INPUTS),
            output_names=[f"logits.{name}" for name in model.member_names] + ["strangeness"] * (model.config.ood is not None),
            dynamic_shapes={"input_ids": {0: rows, 2: tokens}, "attention_mask": {0: rows, 1: tokens}},
            opset_version=OPSET,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        kinds = ", ".join(sorted({entry["config"]["model_type"] for entry in model.config.encoders}))
        raise ModelError(
            f"an encoder of type {kinds} cannot be exported to ONNX: {str(error).strip().splitlines()[0]}"
        ) from error


def _quantize(source: Path, target: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    nodes = onnx.load(source, load_external_data=False).graph.node
    quantize_dynamic(
        source,
        target,
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=list(QUANTIZED),
        nodes_to_exclude=[node.name for node in nodes if any(name.endswith(EXACT) for name in node.input)],
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporters warn of their own inner workings, of which nothing follows for the user."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
