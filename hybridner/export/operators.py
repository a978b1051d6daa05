"""Layers in a form that exports: the functions of `hybridner.models.layers` in operators of ONNX, for any batch and length."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from hybridner.models.layers import BidirectionalRnn, SelfAttention

#: Name of the attention below among transformers' attention implementations.
ATTENTION = "hybridner_onnx"
#: Added to the score of a padded position; far enough below any real score to leave exactly nothing after the softmax.
_NEVER = -10_000.0
#: Where torch keeps the gates that ONNX wants in the order i, o, f, c (LSTM) and z, r, h (GRU).
_GATES = {nn.LSTM: (0, 3, 1, 2), nn.GRU: (1, 0, 2)}


def padding_bias(attention_mask: Tensor) -> Tensor:
    """[B, n] of 1 and 0 -> [B, 1, 1, n] to add to attention scores."""
    return torch.where(attention_mask.bool(), 0.0, _NEVER)[:, None, None, :]


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scaling: float) -> Tensor:
    """softmax(scaling · QKᵀ + bias) V of [B, heads, n, d], written out: [B, n, heads, d]."""
    weights = torch.softmax(query @ key.transpose(2, 3) * scaling + bias, dim=-1)
    return (weights @ value).transpose(1, 2)


def _encoder_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, scaling: float | None = None, **_: Any
) -> tuple[Tensor, None]:
    return attend(query, key, value, attention_mask, query.size(-1) ** -0.5 if scaling is None else scaling), None


def _encoder_mask(attention_mask: Tensor, **_: Any) -> Tensor:
    return padding_bias(attention_mask)


def register_attention() -> None:
    """Let transformers' encoders use this attention, under the name `ATTENTION`."""
    AttentionInterface.register(ATTENTION, _encoder_attention)
    AttentionMaskInterface.register(ATTENTION, _encoder_mask)


class ExportedRnn(nn.Module):
    """`BidirectionalRnn` as the one ONNX operator LSTM or GRU that it stands for.

    The operator reads each row backwards within its own length (`sequence_lens`), as ours does, and gives 0 beyond it.
    """

    input_weights: Tensor
    state_weights: Tensor
    biases: Tensor

    def __init__(self, layer: BidirectionalRnn) -> None:
        super().__init__()
        networks = (layer.forward_rnn, layer.backward_rnn)
        self.order = _GATES[type(layer.forward_rnn)]
        self.hidden_size = layer.forward_rnn.hidden_size
        self.operator = "LSTM" if isinstance(layer.forward_rnn, nn.LSTM) else "GRU"
        # The directions are stacked: [2, gates · h, d], [2, gates · h, h] and [2, 2 · gates · h].
        self.register_buffer("input_weights", torch.stack([self._ordered(n.weight_ih_l0) for n in networks]))
        self.register_buffer("state_weights", torch.stack([self._ordered(n.weight_hh_l0) for n in networks]))
        biases = [torch.cat([self._ordered(n.bias_ih_l0), self._ordered(n.bias_hh_l0)]) for n in networks]
        self.register_buffer("biases", torch.stack(biases))

    def _ordered(self, weights: Tensor) -> Tensor:
        gates = weights.detach().chunk(len(self.order))
        return torch.cat([gates[number] for number in self.order])

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, n, d] and bool mask [B, n] -> [B, n, 2h]."""
        steps = hidden.transpose(0, 1)
        attributes: dict[str, int | str] = {"direction": "bidirectional", "hidden_size": self.hidden_size}
        if self.operator == "GRU":
            attributes["linear_before_reset"] = 1  # torch's GRU
        states = torch.onnx.ops.symbolic(
            self.operator,
            (steps, self.input_weights, self.state_weights, self.biases, mask.sum(1).to(torch.int32)),
            attributes,  # type: ignore[arg-type]
            dtype=hidden.dtype,
            shape=(steps.size(0), 2, steps.size(1), self.hidden_size),
        )
        return states.permute(2, 0, 1, 3).reshape(hidden.size(0), hidden.size(1), 2 * self.hidden_size)


class ExportedSelfAttention(nn.Module):
    """`SelfAttention` written out: torch's own layer decides by its inputs which of several implementations it runs."""

    def __init__(self, layer: SelfAttention) -> None:
        super().__init__()
        inner = layer.attention
        self.heads = inner.num_heads
        self.project = nn.Linear(inner.embed_dim, 3 * inner.embed_dim)
        self.project.load_state_dict({"weight": inner.in_proj_weight, "bias": inner.in_proj_bias})
        self.output, self.norm = inner.out_proj, layer.norm

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, n, d] and bool mask [B, n] -> [B, n, d]."""
        rows, length, size = hidden.shape
        parts = self.project(hidden).view(rows, length, 3, self.heads, size // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        mixed = attend(query, key, value, padding_bias(mask), (size // self.heads) ** -0.5)
        normed: Tensor = self.norm(hidden + self.output(mixed.reshape(rows, length, size)))
        return normed


def in_exported_form(module: nn.Module) -> nn.Module:
    """Replace, in place, every layer that has a form for export."""
    for name, child in module.named_children():
        if isinstance(child, BidirectionalRnn):
            setattr(module, name, ExportedRnn(child))
        elif isinstance(child, SelfAttention):
            setattr(module, name, ExportedSelfAttention(child))
        else:
            in_exported_form(child)
    return module
