"""The additive span scorer against gather-and-concatenate: n = 256, L = 20, K = 10, batch 8; forward and backward."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.side_by_side import compare, report
from hybridner.models.span_scoring import LengthLogits, SpanLogits, span_logits

Scorer = tuple[SpanLogits, LengthLogits]

BATCH, LENGTH, HIDDEN, LONGEST, LABELS, LENGTH_SIZE = 8, 256, 512, 20, 11, 32


def additive(scorer: Scorer, hidden: Tensor) -> Tensor:
    boundary, lengths = scorer
    return span_logits(boundary(hidden), lengths())


def gathered(scorer: Scorer, hidden: Tensor) -> Tensor:
    """The same function the usual way: the vector of every span, times every label's vector."""
    boundary, table_of_lengths = scorer
    first = torch.arange(LENGTH)[:, None].expand(-1, LONGEST)
    last = (first + torch.arange(LONGEST)).clamp(max=LENGTH - 1)
    lengths = table_of_lengths.embedding.weight.expand(BATCH, LENGTH, -1, -1)
    spans = torch.cat([hidden[:, first], hidden[:, last], lengths], dim=-1)
    table = torch.cat([boundary.start.weight, boundary.end.weight, table_of_lengths.projection.weight], dim=1)
    return spans @ table.t() + boundary.bias


def forward_and_backward(score: Callable[[Scorer, Tensor], Tensor]) -> Callable[[], object]:
    torch.manual_seed(0)
    scorer = SpanLogits(HIDDEN, LABELS), LengthLogits(LONGEST, LENGTH_SIZE, LABELS)
    hidden = torch.randn(BATCH, LENGTH, HIDDEN, requires_grad=True)
    inputs = [hidden, *(weight for part in scorer for weight in part.parameters())]
    return lambda: torch.autograd.grad(score(scorer, hidden).square().mean(), inputs)


def peak_bytes(score: Callable[[Scorer, Tensor], Tensor]) -> int:
    """Most bytes of tensors alive at once on the way forward and back, by the allocator's own record."""
    run = forward_and_backward(score)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run()
    kineto = profile.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in kineto if event.name() == "[memory]")
    alive = most = 0
    for _, change in changes:
        alive += change
        most = max(most, alive)
    return int(most)


def main() -> None:
    times = compare(forward_and_backward(additive), forward_and_backward(gathered), rounds=15)
    peaks = {"additive": peak_bytes(additive), "gathered": peak_bytes(gathered)}
    report(
        "span_scoring",
        {
            "sizes": {"batch": BATCH, "characters": LENGTH, "hidden": HIDDEN, "L": LONGEST, "K": LABELS - 1},
            "time": times,
            "peak_bytes": peaks,
            "peak_ratio": peaks["gathered"] / peaks["additive"],
        },
    )


if __name__ == "__main__":
    main()
