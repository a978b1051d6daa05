"""How sure one can be of a score and of a difference: bootstrap, McNemar, Wilcoxon, and what several seeds say."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from hybridner.spans import Span

#: Resamples, the share of them inside an interval, and the seed they are drawn with.
SAMPLES, LEVEL, SEED = 10_000, 0.95, 42
#: Numbers of texts drawn at a time; bounds the memory.
_DRAWS_AT_ONCE = 1 << 21


def f1_from_counts(counts: np.ndarray) -> np.ndarray:
    """F1 of counts [..., 3] of correct, predicted and gold spans; 0 where there is nothing."""
    counts = np.asarray(counts, dtype=float)
    total = counts[..., 1] + counts[..., 2]
    return np.asarray(np.divide(2 * counts[..., 0], total, out=np.zeros_like(total), where=total > 0))


def resample(counts: np.ndarray, samples: int = SAMPLES, seed: int = SEED) -> np.ndarray:
    """Sums over N texts drawn again with replacement, `samples` times: the bootstrap over texts.

    Everything behind the first axis is drawn together, so systems (and seeds) side by side there stay paired. The same seed and
    the same N draw the same texts.

    Args:
        counts: [N, ...] of each text.

    Returns:
        [samples, ...]
    """
    counts = np.asarray(counts, dtype=float)
    flat = counts.reshape(len(counts), -1)
    return np.concatenate([weights @ flat for weights in _weights(len(counts), samples, seed)]).reshape(
        samples, *counts.shape[1:]
    )


def _weights(texts: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each text is drawn, [block, texts] at a time."""
    generator = np.random.default_rng(seed)
    size = max(1, _DRAWS_AT_ONCE // texts)
    for first in range(0, samples, size):
        block = min(size, samples - first)
        drawn = generator.integers(0, texts, (block, texts)) + texts * np.arange(block)[:, None]
        yield np.bincount(drawn.ravel(), minlength=block * texts).reshape(block, texts).astype(float)


def interval(values: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """The ends between which the middle `level` of the resampled values lies (percentile interval)."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_p(differences: np.ndarray) -> float:
    """Two-sided p of "no difference": twice the share of resampled differences on the rarer side of 0, and never 0 itself."""
    rarer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(differences) + 1))


def count_discordant(
    gold: Sequence[Iterable[Span]], first: Sequence[Iterable[Span]], second: Sequence[Iterable[Span]]
) -> tuple[int, int]:
    """How many decisions only the first system has right, and how many only the second.

    A decision is the label (or several, or none) of one stretch of text that gold or either system calls an entity; it is right
    when it is gold's.
    """
    only_first = only_second = 0
    for texts in zip(gold, first, second, strict=True):
        truth, one, other = map(_labels, texts)
        for stretch in truth.keys() | one.keys() | other.keys():
            right_one = one.get(stretch) == truth.get(stretch)
            right_other = other.get(stretch) == truth.get(stretch)
            only_first += right_one and not right_other
            only_second += right_other and not right_one
    return only_first, only_second


def _labels(spans: Iterable[Span]) -> dict[tuple[int, int], set[str]]:
    found: dict[tuple[int, int], set[str]] = {}
    for span in spans:
        found.setdefault((span.start, span.end), set()).add(span.label)
    return found


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact two-sided McNemar test: is one system right alone as often as the other? (binomial, 1/2)"""
    total = only_first + only_second
    return float(stats.binomtest(only_first, total, 0.5).pvalue) if total else 1.0


@dataclass(frozen=True)
class Wilcoxon:
    """Wilcoxon's signed-rank test of paired figures.

    Attributes:
        statistic: the smaller of the two sums of ranks.
        p: two-sided.
        n: pairs that differ; equal ones say nothing and are left out. p cannot be below 2^(1 - n).
    """

    statistic: float
    p: float
    n: int


def wilcoxon(first: Sequence[float], second: Sequence[float]) -> Wilcoxon:
    """Do the figures of paired runs or folds differ (section 3.1)? Exact for up to 13 pairs, and for up to 50 without ties."""
    # Rounded, so that equal differences count as ties and are not told apart by the last bit.
    differences = np.round(np.asarray(first, dtype=float) - np.asarray(second, dtype=float), 12)
    differences = differences[differences != 0]
    if not len(differences):
        return Wilcoxon(0.0, 1.0, 0)
    result = stats.wilcoxon(differences)
    return Wilcoxon(float(result.statistic), float(result.pvalue), len(differences))


def holm(values: Sequence[float]) -> list[float]:
    """The p values of several tests, raised so that all of them together err as seldom as one alone (Holm's step-down)."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = highest
    return adjusted


def combined_p(values: Sequence[float]) -> float:
    """One p for the same test on several runs that are not independent: twice their median, valid however they hang together."""
    return values[0] if len(values) == 1 else min(1.0, 2 * statistics.median(values))


def mean_and_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation (n - 1) of the figures of several runs; a single run has no deviation."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None
