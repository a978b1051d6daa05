from __future__ import annotations

import pytest
import torch

from hybridner.models.span_scoring import (
    UNKNOWN,
    LengthLogits,
    SpanLogits,
    entity_log_odds,
    prior_bias,
    span_logits,
    span_targets,
    valid_spans,
)

B, N, D, L, LABELS = 2, 9, 8, 4, 3


def gathered(boundary: SpanLogits, lengths: LengthLogits, hidden: torch.Tensor) -> torch.Tensor:
    """The definition: build every span's vector [h_b ; h_e ; length] and multiply it with every label's vector."""
    table = torch.cat([boundary.start.weight, boundary.end.weight, lengths.projection.weight], dim=1)
    logits = []
    for start in range(N):
        for length in range(1, L + 1):
            end = min(start + length, N) - 1
            embedding = lengths.embedding.weight[length - 1].expand(B, -1)
            span = torch.cat([hidden[:, start], hidden[:, end], embedding], dim=1)
            logits.append(span @ table.t() + boundary.bias)
    return torch.stack(logits, 1).view(B, N, L, LABELS)


def test_additive_scores_equal_gathered_ones_forward_and_backward() -> None:
    torch.manual_seed(0)
    boundary, lengths = SpanLogits(D, LABELS), LengthLogits(L, 5, LABELS)
    hidden = torch.randn(B, N, D, requires_grad=True)
    valid = valid_spans(torch.ones(B, N, dtype=torch.bool), L)
    ours = span_logits(boundary(hidden), lengths())[valid]
    reference = gathered(boundary, lengths, hidden)[valid]
    torch.testing.assert_close(ours, reference, rtol=0, atol=1e-5)
    weight = torch.randn_like(ours)
    parameters = [hidden, *boundary.parameters(), *lengths.parameters()]
    mine = torch.autograd.grad((ours * weight).sum(), parameters)
    theirs = torch.autograd.grad((reference * weight).sum(), parameters)
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_odds_are_those_of_the_best_label_against_o() -> None:
    torch.manual_seed(1)
    boundary, lengths = torch.randn(B, N, 2 * LABELS), torch.randn(L, LABELS)
    logits = span_logits(boundary, lengths)
    torch.testing.assert_close(entity_log_odds(boundary, lengths), logits[..., 1:].amax(-1) - logits[..., 0])


def test_only_spans_inside_their_text_are_valid() -> None:
    mask = torch.arange(5)[None, :] < torch.tensor([5, 2])[:, None]
    valid = valid_spans(mask, 3)
    spans = {(row, start, start + length + 1) for row, start, length in valid.nonzero().tolist()}
    assert spans == {
        (row, start, end) for row, n in ((0, 5), (1, 2)) for start in range(n) for end in range(start + 1, min(n, start + 3) + 1)
    }


def test_targets_hold_what_the_lengths_can_express() -> None:
    spans = torch.tensor([[[0, 2, 1], [1, 2, 2], [0, 4, 1]], [[3, 4, 2], [-1, -1, -1], [-1, -1, -1]]])
    targets = span_targets(spans, (2, 5), 3)
    found = {
        (row, start, start + length + 1, targets[row, start, length].item()) for row, start, length in targets.nonzero().tolist()
    }
    assert found == {(0, 0, 2, 1), (0, 1, 2, 2), (1, 3, 4, 2)}


def test_targets_are_unknown_for_every_span_that_touches_an_unknown_region() -> None:
    spans = torch.tensor([[[0, 1, 1], [2, 4, UNKNOWN], [2, 3, 2]], [[5, 6, UNKNOWN], [3, 5, 2], [-1, -1, -1]]])
    targets = span_targets(spans, (2, 6), 3)
    known = {(0, 0, 1): 1, (1, 3, 5): 2}
    for row, (start, end) in enumerate([(2, 4), (5, 6)]):
        for first in range(6):
            for length in range(3):
                touches = first < end and start < first + length + 1
                expected = UNKNOWN if touches else known.get((row, first, first + length + 1), 0)
                assert targets[row, first, length] == expected


@pytest.mark.parametrize("labels", [2, 14])
def test_training_starts_at_the_rarity_of_entities(labels: int) -> None:
    probability = prior_bias(labels).softmax(0)
    assert probability[0].item() == pytest.approx(1 / (1 + 0.005), abs=1e-6)
