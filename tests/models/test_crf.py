from __future__ import annotations

from itertools import product

import pytest
import torch
from torchcrf import CRF

from hybridner.models.crf import LinearChainCrf, illegal_transitions
from hybridner.spans.tags import numbered_spans

K, N = 2, 4
TAGS = 2 * K + 1
LENGTHS = (4, 2, 1, 3)


@pytest.fixture
def case() -> tuple[LinearChainCrf, torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    crf = LinearChainCrf(TAGS)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    emissions = torch.randn(len(LENGTHS), N, TAGS, dtype=torch.double, requires_grad=True)
    mask = torch.arange(N)[None, :] < torch.tensor(LENGTHS)[:, None]
    return crf, emissions, mask


def all_sequences(crf: LinearChainCrf, emissions: torch.Tensor, length: int) -> dict[tuple[int, ...], torch.Tensor]:
    """Score of every tag sequence, by the definition."""
    start, transitions, end = crf.legal_scores()
    scores = {}
    for tags in product(range(TAGS), repeat=length):
        score = start[tags[0]] + emissions[0, tags[0]] + end[tags[-1]]
        for position in range(1, length):
            score = score + transitions[tags[position - 1], tags[position]] + emissions[position, tags[position]]
        scores[tags] = score
    return scores


def test_everything_equals_brute_force(case) -> None:
    crf, emissions, mask = case
    marginals = crf.marginals(emissions.detach(), mask)
    decoded = crf.viterbi(emissions.detach(), mask)
    for row, length in enumerate(LENGTHS):
        scores = all_sequences(crf, emissions[row], length)
        log_z = torch.logsumexp(torch.stack(list(scores.values())), 0)
        best = max(scores, key=lambda tags: scores[tags].item())
        assert decoded[row].tolist() == [*best, *[0] * (N - length)]

        tags = torch.zeros(len(LENGTHS), N, dtype=torch.long)
        tags[row, :length] = torch.tensor(best)
        ours = crf.log_likelihood(emissions, tags, mask)[row]
        theirs = scores[best] - log_z
        torch.testing.assert_close(ours, theirs)
        wanted = [emissions, *crf.parameters()]
        mine = torch.autograd.grad(ours, wanted)
        # a text of one character has no transition
        reference = torch.autograd.grad(theirs, wanted, retain_graph=True, allow_unused=True)
        for a, b in zip(mine, reference, strict=True):
            torch.testing.assert_close(a, torch.zeros_like(a) if b is None else b, rtol=1e-5, atol=1e-6)

        expected = torch.zeros(N, TAGS, dtype=torch.double)
        for sequence, score in scores.items():
            for position, tag in enumerate(sequence):
                expected[position, tag] += (score - log_z).exp().detach()
        torch.testing.assert_close(marginals[row], expected)


def test_span_probs_equal_brute_force(case) -> None:
    crf, emissions, mask = case
    spans, expected = [], []
    for row, length in enumerate(LENGTHS):
        scores = all_sequences(crf, emissions[row].detach(), length)
        log_z = torch.logsumexp(torch.stack(list(scores.values())), 0)
        for start in range(length):
            for end in range(start + 1, length + 1):
                spans.append((row, start, end))
                expected.append(
                    [
                        sum(
                            (score - log_z).exp().item()
                            for tags, score in scores.items()
                            if torch.isfinite(score) and (start, end, label) in numbered_spans(tags)
                        )
                        for label in range(K)
                    ]
                )
    ours = crf.span_probs(emissions.detach(), mask, torch.tensor(spans))
    torch.testing.assert_close(ours, torch.tensor(expected, dtype=torch.double))


@pytest.mark.parametrize("seed", range(3))
def test_equals_pytorch_crf(seed: int) -> None:
    torch.manual_seed(seed)
    crf, other = LinearChainCrf(TAGS), CRF(TAGS, batch_first=True)
    illegal, illegal_start = illegal_transitions(TAGS)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter)
    with torch.no_grad():
        other.start_transitions.copy_(crf.start.masked_fill(illegal_start, -1e4))
        other.transitions.copy_(crf.transitions.masked_fill(illegal, -1e4))
        other.end_transitions.copy_(crf.end)
    lengths = torch.randint(1, 30, (16,))
    lengths[0] = 30
    mask = torch.arange(30)[None, :] < lengths[:, None]
    emissions = torch.randn(16, 30, TAGS)
    tags = crf.viterbi(torch.randn(16, 30, TAGS), mask)
    torch.testing.assert_close(
        crf.log_likelihood(emissions, tags, mask).sum().float(), other(emissions, tags, mask), rtol=1e-5, atol=1e-3
    )
    ours = crf.viterbi(emissions, mask)
    assert [row[:length].tolist() for row, length in zip(ours, lengths, strict=True)] == other.decode(emissions, mask)


def test_bio_cannot_be_broken_however_much_the_emissions_want_it() -> None:
    crf = LinearChainCrf(TAGS)
    emissions = torch.zeros(1, 3, TAGS)
    emissions[..., 2] = 600.0  # I of the first label, everywhere
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert crf.viterbi(emissions, mask).tolist() in ([[1, 2, 2]], [[3, 2, 2]], [[1, 2, 2]])
    assert crf.marginals(emissions, mask)[0, 0, 2] == 0
    assert crf.log_likelihood(emissions, torch.tensor([[2, 2, 2]]), mask).item() == float("-inf")


def test_a_long_sequence_neither_overflows_nor_vanishes() -> None:
    torch.manual_seed(0)
    crf = LinearChainCrf(TAGS)
    emissions = torch.randn(1, 3000, TAGS) * 30
    mask = torch.ones(1, 3000, dtype=torch.bool)
    tags = crf.viterbi(emissions, mask)
    value = crf.log_likelihood(emissions, tags, mask)
    assert torch.isfinite(value).all()
    assert value.item() <= 0
    torch.testing.assert_close(crf.marginals(emissions, mask).sum(2), torch.ones(1, 3000, dtype=torch.double))


def test_what_is_decoded_stays_as_it_is() -> None:
    crf, emissions = LinearChainCrf(TAGS), torch.randn(1, 6, TAGS)
    before, mask = emissions.clone(), torch.ones(1, 6, dtype=torch.bool)
    crf.viterbi(emissions, mask)
    crf.marginals(emissions, mask)
    assert torch.equal(emissions, before)
