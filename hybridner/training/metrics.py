"""Entity precision, recall and F1 of each member, counted batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hybridner.evaluation import PrecisionRecallF1
from hybridner.training.features import NO_SPAN
from hybridner.training.stopping import STANDARD_ERROR


def count_entities(proposed: Tensor, gold: Tensor) -> Tensor:
    """Correct, predicted and gold entities of each row.

    Args:
        proposed: [P, 4] row, start, end, label.
        gold: [B, E, 3] start, end, label; rows of NO_SPAN fill up.

    Returns:
        [B, 3] whole numbers.
    """
    rows = torch.arange(gold.size(0), device=gold.device)[:, None, None].expand(-1, gold.size(1), 1)
    real = gold[..., 0] != NO_SPAN
    truth = torch.cat([rows, gold], dim=2)[real]
    hit = (proposed[:, None, :] == truth[None, :, :]).all(2).any(1)
    count = gold.new_zeros(gold.size(0), 3)
    count[:, 0].index_add_(0, proposed[:, 0], hit.to(count.dtype))
    count[:, 1].index_add_(0, proposed[:, 0], torch.ones_like(hit, dtype=count.dtype))
    count[:, 2] = real.sum(1)
    return count


def entity_metrics(counts: NDArray[np.integer], members: Sequence[str]) -> dict[str, float]:
    """Each member's precision, recall and F1 (0 to 1) over all sentences, and the means over the members.

    Args:
        counts: [sentences, members, 3] correct, predicted and gold entities.
        members: their names.

    Returns:
        the means as `precision`, `recall` and `f1`, a member's own as `f1_NAME` and so on; and the `standard_error` of the mean
        F1.
    """
    scores = {name: PrecisionRecallF1(*(int(n) for n in total)) for name, total in zip(members, counts.sum(axis=0), strict=True)}
    metrics: dict[str, float] = {STANDARD_ERROR: f1_standard_error(counts)}
    for measure in ("precision", "recall", "f1"):
        values = {f"{measure}_{name}": float(getattr(score, measure)) for name, score in scores.items()}
        metrics |= {measure: float(np.mean(list(values.values()))), **values}
    return metrics


def f1_standard_error(counts: NDArray[np.integer]) -> float:
    """How far the members' mean F1 is from that of endless sentences of the kind: one standard error, by the delta method.

    Sentences are independent, their entities and the members that read them are not.

    Args:
        counts: [sentences, members, 3] correct, predicted and gold entities; at least one sentence.

    Returns:
        0 where all sentences are alike, as those that are all right.
    """
    correct, sizes = counts[..., 0], counts[..., 1] + counts[..., 2]
    total = np.maximum(sizes.sum(axis=0), 1)
    # What a sentence adds to F1 = 2 correct / (predicted + gold) beyond its share, to the first order; it sums to 0.
    excess = ((2 * correct - 2 * correct.sum(axis=0) / total * sizes) / total).mean(axis=1)
    sentences = len(counts)
    return float(np.sqrt(sentences / max(sentences - 1, 1) * np.square(excess).sum()))
