"""Layers between the encoder and a member's own output, shared by taggers and SpanNER."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import initialization as init


class FeatureNorm(nn.Module):
    """Mean 0 and variance 1 for each feature over real characters (BatchNorm without affine parameters).

    Encoders made for sentence vectors put all token vectors into a narrow cone; this spreads them out again.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(size, affine=False)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, n, d] and bool mask [B, n] -> [B, n, d], 0 where the mask is False."""
        # Of a single character there is no variance to be had.
        if not self.training or mask.sum() < 2:
            # The same as BatchNorm in evaluation, without picking out the real characters first.
            mean, variance = self.norm.get_buffer("running_mean"), self.norm.get_buffer("running_var")
            return (hidden - mean) * (variance + self.norm.eps).rsqrt() * mask[..., None]
        normed = torch.zeros_like(hidden)
        normed[mask] = self.norm(hidden[mask]).to(hidden.dtype)
        return normed


class BidirectionalRnn(nn.Module):
    """BiLSTM or BiGRU whose output does not depend on how much padding a batch brings.

    Two one-way networks, the second over each row reversed within its own length: the same function as a packed
    bidirectional network, without packing, which is several times slower in training on CPUs.

    Args:
        cell: "lstm" or "gru".
        input_size: size of each character's vector.
        hidden_size: size of the output, half of it from each direction; even.
    """

    def __init__(self, cell: str, input_size: int, hidden_size: int) -> None:
        super().__init__()
        network = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.forward_rnn = network(input_size, hidden_size // 2, batch_first=True)
        self.backward_rnn = network(input_size, hidden_size // 2, batch_first=True)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, n, d] and bool mask [B, n], True for the first characters of each row -> [B, n, hidden_size]."""
        position = torch.arange(hidden.size(1), device=hidden.device)
        mirrored = mask.sum(1, keepdim=True) - 1 - position
        mirrored = torch.where(mirrored >= 0, mirrored, position)[..., None]
        rightward, _ = self.forward_rnn(hidden)
        leftward, _ = self.backward_rnn(hidden.gather(1, mirrored.expand_as(hidden)))
        return torch.cat([rightward, leftward.gather(1, mirrored.expand_as(leftward))], dim=-1)


class SelfAttention(nn.Module):
    """Multi-head self-attention with residual connection and layer norm."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(size, heads, dropout=dropout, batch_first=True)
        self.norm = nn.LayerNorm(size)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, n, d] and bool mask [B, n] -> [B, n, d]."""
        # A row without any character would give NaN: it attends to its first position, which nobody reads.
        ignored = ~mask & ~_first_of_empty_rows(mask)
        mixed, _ = self.attention(hidden, hidden, hidden, key_padding_mask=ignored, need_weights=False)
        normed: Tensor = self.norm(hidden + mixed)
        return normed


def _first_of_empty_rows(mask: Tensor) -> Tensor:
    first = torch.arange(mask.size(1), device=mask.device) == 0
    return first & ~mask.any(1, keepdim=True)


@torch.no_grad()
def init_rnn(module: nn.LSTM | nn.GRU) -> None:
    """Orthogonal recurrent, Xavier input weights, biases 0: transformers' own initialisation leaves recurrent layers alone."""
    for name, parameter in module.named_parameters():
        if "weight_hh" in name:
            init.orthogonal_(parameter)
        elif "weight" in name:
            init.xavier_uniform_(parameter)
        else:
            init.zeros_(parameter)
