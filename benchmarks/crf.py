"""CRF loss (forward and backward) and decoding against pytorch-crf: batch 32 x 128 characters, 21 tags."""

from __future__ import annotations

import torch
from torchcrf import CRF

from benchmarks.side_by_side import compare, report
from hybridner.models.crf import LinearChainCrf

BATCH, LENGTH, TAGS = 32, 128, 21


def main() -> None:
    torch.manual_seed(0)
    ours, other = LinearChainCrf(TAGS), CRF(TAGS, batch_first=True)
    emissions = torch.randn(BATCH, LENGTH, TAGS, requires_grad=True)
    mask = torch.ones(BATCH, LENGTH, dtype=torch.bool)
    tags = ours.viterbi(emissions.detach(), mask)
    figures = {
        "sizes": {"batch": BATCH, "characters": LENGTH, "tags": TAGS},
        "loss_forward_backward": compare(
            lambda: torch.autograd.grad(-ours.log_likelihood(emissions, tags, mask).sum(), [emissions, *ours.parameters()]),
            lambda: torch.autograd.grad(-other(emissions, tags, mask), [emissions, *other.parameters()]),
            rounds=15,
        ),
        "decoding": compare(
            lambda: ours.viterbi(emissions.detach(), mask), lambda: other.decode(emissions.detach(), mask), rounds=15
        ),
    }
    report("crf", figures)


if __name__ == "__main__":
    main()
