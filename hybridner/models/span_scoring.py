"""The additive span scorer of SpanNER: every span's score as a sum of three table look-ups.

With sᵢ = [h_b ; h_e ; ℓ(e-b+1)] and a label vector y = [y¹ ; y² ; y³], sᵢᵀy = h_bᵀy¹ + h_eᵀy² + ℓᵀy³ (the paper's
equation 3). So the scores of all spans need two (n x d)(d x (K+1)) products, one small table and a broadcast sum; no span vector
is built.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Stands for a label that is not known and gives no loss: as in transformers.
UNKNOWN = -100

#: Roughly the share of entities among all spans of up to L characters.
_ENTITY_SHARE = 0.005


def prior_bias(num_labels: int) -> Tensor:
    """[K + 1] bias that starts training at the true rarity of entities among all spans.

    Without it the first steps only learn that nearly every span is O, with gradients so large that Adam takes hundreds of
    steps to forget them.
    """
    bias = torch.zeros(num_labels)
    bias[0] = math.log((num_labels - 1) / _ENTITY_SHARE)
    return bias


class SpanLogits(nn.Module):
    """[B, n, d] -> [B, n, 2(K + 1)]: each character's score as the first, then as the last of a span of each label.

    Args:
        hidden_size: d, the size of h.
        num_labels: K + 1, O first.
    """

    def __init__(self, hidden_size: int, num_labels: int) -> None:
        super().__init__()
        self.start = nn.Linear(hidden_size, num_labels, bias=False)
        self.end = nn.Linear(hidden_size, num_labels, bias=False)
        self.bias = nn.Parameter(prior_bias(num_labels))

    def forward(self, hidden: Tensor) -> Tensor:
        return torch.cat([self.start(hidden) + self.bias, self.end(hidden)], dim=-1)


class LengthLogits(nn.Module):
    """[L, K + 1] score of each span length; row j belongs to spans of j + 1 characters.

    Args:
        max_span_length: L.
        embedding_size: d', the size of a length embedding.
        num_labels: K + 1.
    """

    def __init__(self, max_span_length: int, embedding_size: int, num_labels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(max_span_length, embedding_size)
        self.projection = nn.Linear(embedding_size, num_labels, bias=False)

    def forward(self) -> Tensor:
        logits: Tensor = self.projection(self.embedding.weight)
        return logits


def span_logits(boundary_logits: Tensor, length_logits: Tensor) -> Tensor:
    """All spans' scores sᵀy (equations 3 and 6) [B, n, L, K+1]; entry (b, j) is the span of j + 1 characters that starts at b.

    Spans that reach beyond n are filled with the values of a last character that scores 0; `valid_spans` tells them apart.

    Args:
        boundary_logits: [B, n, 2(K+1)] from `SpanLogits`.
        length_logits: [L, K+1].
    """
    start, end = boundary_logits.chunk(2, dim=-1)
    longest = length_logits.size(0)
    reachable = functional.pad(end, (0, 0, 0, longest - 1)).unfold(1, longest, 1).transpose(2, 3)
    return reachable + start[:, :, None] + length_logits


def entity_log_odds(boundary_logits: Tensor, length_logits: Tensor) -> Tensor:
    """[B, n, L] how much the best label of each span scores above O: ln of how many times as probable it is.

    Worked out label by label, so that nothing of size K + 1 is built. Arguments and entries as in `span_logits`.
    """
    longest, num_labels = length_logits.shape
    start, end = (part.movedim(-1, 0) for part in boundary_logits.chunk(2, dim=-1))
    start, end = start[1:] - start[:1], functional.pad(end[1:] - end[:1], (0, longest - 1))
    length = (length_logits[:, 1:] - length_logits[:, :1]).t()
    best = boundary_logits.new_full((*boundary_logits.shape[:2], longest), -torch.inf)
    odds = torch.empty_like(best)
    for label in range(num_labels - 1):
        torch.add(end[label].unfold(1, longest, 1), length[label], out=odds)
        torch.maximum(best, odds.add_(start[label, :, :, None]), out=best)
    return best


def valid_spans(mask: Tensor, longest: int) -> Tensor:
    """[B, n, L] bool: whether the span of j + 1 characters from b ends inside its text: the enumeration of section
    2.3.2, up to L. `mask` is [B, n] bool."""
    rows = mask.sum(1)[:, None, None]
    position = torch.arange(mask.size(1), device=mask.device)[None, :, None]
    length = torch.arange(1, longest + 1, device=mask.device)[None, None, :]
    return position + length <= rows


def span_targets(spans: Tensor, shape: tuple[int, int], longest: int) -> Tensor:
    """[B, n, L] label numbers (O is 0) for cross-entropy; UNKNOWN for spans whose label is not known.

    Args:
        spans: [B, E, 3] start, end (exclusive) and label number from 1; rows of -1 fill up. The label UNKNOWN says that
            the labels of all spans that touch these characters are not known.
        shape: B, n.
        longest: L; spans of more characters cannot be expressed and are left out.
    """
    targets = spans.new_zeros((*shape, longest))
    start, end, label = spans.unbind(-1)
    fits = (label > 0) & (end - start <= longest) & (end <= shape[1])
    row = torch.arange(shape[0], device=spans.device)[:, None].expand_as(start)
    targets[row[fits], start[fits], end[fits] - start[fits] - 1] = label[fits]
    return targets.masked_fill(_touching(start, end, label == UNKNOWN, shape[1], longest), UNKNOWN)


def _touching(start: Tensor, end: Tensor, wanted: Tensor, length: int, longest: int) -> Tensor:
    """[B, n, L] whether a span touches one of the wanted regions [B, E] of its row."""
    position = torch.arange(length, device=start.device)
    inside = (wanted[..., None] & (start[..., None] <= position) & (position < end[..., None])).any(1)
    # How many characters of regions lie before each position: the count rises within a span that touches one.
    before = functional.pad(inside.long().cumsum(1), (1, 0))
    ends = (position[:, None] + torch.arange(1, longest + 1, device=start.device)).clamp(max=length)
    return before[:, ends] > before[:, :length, None]
