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

#: Roughly the share of entities among all spans of up to L characters.
_ENTITY_SHARE = 0.005


class AdditiveSpanScorer(nn.Module):
    """sᵀy for every span of at most `max_span_length` characters and each of the K + 1 labels.

    Args:
        hidden_size: d, the size of h.
        num_labels: K + 1, O first.
        max_span_length: L.
        length_size: d', the size of a length embedding.
    """

    def __init__(self, hidden_size: int, num_labels: int, max_span_length: int, length_size: int) -> None:
        super().__init__()
        self.start = nn.Linear(hidden_size, num_labels, bias=False)
        self.end = nn.Linear(hidden_size, num_labels, bias=False)
        self.length_embedding = nn.Embedding(max_span_length, length_size)
        self.length = nn.Linear(length_size, num_labels, bias=False)
        self.bias = nn.Parameter(self.prior_bias(num_labels))

    @staticmethod
    def prior_bias(num_labels: int) -> Tensor:
        """[K + 1] bias that starts training at the true rarity of entities among all spans.

        Without it the first steps only learn that nearly every span is O, with gradients so large that Adam takes hundreds of
        steps to forget them.
        """
        bias = torch.zeros(num_labels)
        bias[0] = math.log((num_labels - 1) / _ENTITY_SHARE)
        return bias

    def token_scores(self, hidden: Tensor) -> Tensor:
        """[B, n, d] -> [B, n, 2(K+1)]: each character's score as a first, then as a last character of each label."""
        return torch.cat([self.start(hidden) + self.bias, self.end(hidden)], dim=-1)

    def length_scores(self) -> Tensor:
        """[L, K+1]: row j belongs to spans of j + 1 characters."""
        return self.length(self.length_embedding.weight)


def span_logits(token_scores: Tensor, length_scores: Tensor) -> Tensor:
    """All spans' scores [B, n, L, K+1]; entry (b, j) is the span of j + 1 characters that starts at b.

    Spans that reach beyond n are filled with the values of a last character that scores 0; `valid_spans` tells them apart.

    Args:
        token_scores: [B, n, 2(K+1)] from `AdditiveSpanScorer.token_scores`.
        length_scores: [L, K+1].
    """
    start, end = token_scores.chunk(2, dim=-1)
    longest = length_scores.size(0)
    reachable = functional.pad(end, (0, 0, 0, longest - 1)).unfold(1, longest, 1).transpose(2, 3)
    return reachable + start[:, :, None] + length_scores


def entity_odds(token_scores: Tensor, length_scores: Tensor) -> Tensor:
    """[B, n, L] how much the best label of each span scores above O: ln of how many times as probable it is.

    Worked out label by label, so that nothing of size K + 1 is built. Arguments and entries as in `span_logits`.
    """
    longest, num_labels = length_scores.shape
    start, end = (part.movedim(-1, 0) for part in token_scores.chunk(2, dim=-1))
    start, end = start[1:] - start[:1], functional.pad(end[1:] - end[:1], (0, longest - 1))
    length = (length_scores[:, 1:] - length_scores[:, :1]).t()
    best = token_scores.new_full((*token_scores.shape[:2], longest), -torch.inf)
    odds = torch.empty_like(best)
    for label in range(num_labels - 1):
        torch.add(end[label].unfold(1, longest, 1), length[label], out=odds)
        torch.maximum(best, odds.add_(start[label, :, :, None]), out=best)
    return best


def valid_spans(mask: Tensor, longest: int) -> Tensor:
    """[B, n, L] bool: whether the span of j + 1 characters from b ends inside its text; `mask` is [B, n] bool."""
    rows = mask.sum(1)[:, None, None]
    position = torch.arange(mask.size(1), device=mask.device)[None, :, None]
    length = torch.arange(1, longest + 1, device=mask.device)[None, None, :]
    return position + length <= rows


def span_targets(spans: Tensor, shape: tuple[int, int], longest: int) -> Tensor:
    """[B, n, L] label numbers (O is 0) for cross-entropy.

    Args:
        spans: [B, E, 3] start, end (exclusive) and label number from 1; rows of -1 fill up.
        shape: B, n.
        longest: L; spans of more characters cannot be expressed and are left out.
    """
    targets = spans.new_zeros((*shape, longest))
    start, end, label = spans.unbind(-1)
    fits = (start >= 0) & (end - start <= longest) & (end <= shape[1])
    row = torch.arange(shape[0], device=spans.device)[:, None].expand_as(start)
    targets[row[fits], start[fits], end[fits] - start[fits] - 1] = label[fits]
    return targets
