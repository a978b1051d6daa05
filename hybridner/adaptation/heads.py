"""Heads for another label set that start from what the old ones know."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from hybridner.models import MemberHead

#: Layers with one output per label or tag; all others do not depend on the label set.
_OUTPUT_LAYERS = ("emission.", "boundary.", "decoder.crf.", "decoder.length_logits.projection.")


@torch.no_grad()
def carry_over(old: MemberHead, new: MemberHead) -> None:
    """Copy into `new` what it has in common with `old`, a head of the same kind: every layer below the output, and of the output
    layers the rows of the labels that both know by the same name (and of O, when there is such a label).
    """
    known = {name: number for number, name in enumerate(_outputs(old))}
    pairs = [(number, known[name]) for number, name in enumerate(_outputs(new)) if name in known]
    mine, theirs = new.state_dict(), old.state_dict()
    for name, tensor in mine.items():
        if not name.startswith(_OUTPUT_LAYERS):
            tensor.copy_(theirs[name])
        elif len(pairs) > 1:
            _copy_rows(tensor, theirs[name], pairs, axes=tensor.dim() if name.startswith("decoder.crf.") else 1)


def _outputs(head: MemberHead) -> list[str]:
    """What each output stands for: labels or tags."""
    return list((head.config.id2label or {}).values())


def _copy_rows(mine: Tensor, theirs: Tensor, pairs: list[tuple[int, int]], axes: int) -> None:
    """Copy the entries whose first `axes` indices all stand for a pair (new number, old number)."""
    for chosen in product(pairs, repeat=axes):
        mine[tuple(new for new, _ in chosen)] = theirs[tuple(old for _, old in chosen)]
