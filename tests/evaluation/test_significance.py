"""Against closed forms and enumeration; no figure here comes from the functions that are tested."""

from __future__ import annotations

import statistics
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner.evaluation.significance import (
    bootstrap_p,
    combined_p,
    count_discordant,
    f1_from_counts,
    holm,
    interval,
    mcnemar_p,
    mean_and_sd,
    resample,
    wilcoxon,
)
from hybridner.spans import Span
from tests.evaluation.spans import TEXT_SPANS

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_f1_of_counts() -> None:
    counts = np.array([[[1, 2, 4], [0, 0, 0]], [[3, 3, 3], [0, 5, 0]]])
    assert f1_from_counts(counts).tolist() == [[2 / 6, 0], [1, 0]]


def test_two_texts_are_drawn_as_often_as_they_should() -> None:
    """Of two texts both are drawn with probability 1/2, and one of them twice with 1/4 each."""
    sums, shares = np.unique(resample(np.array([1, 10]), samples=20_000), return_counts=True)
    assert sums.tolist() == [2, 11, 20]
    assert shares / 20_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.015)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 20), min_size=2, max_size=40))
def test_sums_spread_as_theory_says(values: list[int]) -> None:
    """The sum of N draws has N times the mean and N times the variance of one."""
    sums = resample(np.array(values), samples=20_000)
    deviation = (len(values) * statistics.pvariance(values)) ** 0.5
    assert sums.mean() == pytest.approx(sum(values), abs=5 * deviation / 20_000**0.5)
    assert sums.std() == pytest.approx(deviation, rel=0.05)


def test_systems_and_blocks_are_drawn_together() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (7, 2, 3))
    # So many samples of so many texts that they are drawn in several blocks.
    wide = np.concatenate([counts, np.zeros((300_000, 2, 3), dtype=int)])
    sums = resample(np.concatenate([wide, 2 * wide], axis=1), samples=9)
    assert (sums[:, 2:] == 2 * sums[:, :2]).all()
    assert sums.shape == (9, 4, 3)
    assert len(np.unique(sums[:, 0, 0])) > 1
    assert (resample(counts) == resample(counts)).all()
    assert (resample(counts) != resample(counts, seed=43)).any()


def test_interval_of_known_values() -> None:
    assert interval(np.arange(101.0), level=0.9) == pytest.approx((5, 95))


def test_bootstrap_p_counts_the_rarer_side() -> None:
    assert bootstrap_p(np.array([1.0] * 98 + [-1.0])) == pytest.approx(2 * 2 / 100)
    assert bootstrap_p(-np.array([1.0] * 98 + [-1.0])) == pytest.approx(2 * 2 / 100)
    assert bootstrap_p(np.ones(999)) == pytest.approx(2 / 1000)
    assert bootstrap_p(np.zeros(99)) == 1.0


@given(st.integers(0, 25), st.integers(0, 25))
def test_mcnemar_is_a_sign_test(won: int, lost: int) -> None:
    total = won + lost
    as_likely = [comb(total, k) for k in range(total + 1)]
    expected = sum(ways for ways in as_likely if ways <= comb(total, won)) / 2**total
    assert mcnemar_p(won, lost) == pytest.approx(min(1.0, expected))


@given(TEXT_SPANS, TEXT_SPANS, TEXT_SPANS)
def test_decisions_against_a_look_at_every_stretch(gold: list[Span], first: list[Span], second: list[Span]) -> None:
    def label(spans: list[Span], start: int, end: int) -> list[str]:
        return sorted(span.label for span in spans if (span.start, span.end) == (start, end))

    expected = [0, 0]
    for start, end in product(range(11), repeat=2):
        right = [label(spans, start, end) == label(gold, start, end) for spans in (first, second)]
        if right[0] != right[1]:
            expected[right[1]] += 1
    assert count_discordant([gold], [first], [second]) == tuple(expected)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=9))
def test_wilcoxon_against_all_signs(pairs: list[tuple[int, int]]) -> None:
    """Under "no difference" every sign is as likely as the other: enumerate them all."""
    result = wilcoxon([a / 100 for a, _ in pairs], [b / 100 for _, b in pairs])
    differences = [a - b for a, b in pairs if a != b]
    assert result.n == len(differences)
    sizes = sorted(map(abs, differences))
    ranks = [statistics.fmean(i for i, size in enumerate(sizes, 1) if size == abs(d)) for d in differences]
    positive = sum(rank for rank, d in zip(ranks, differences, strict=True) if d > 0)
    sums = [sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign) for signs in product((0, 1), repeat=len(ranks))]
    tails = [sum(s <= positive for s in sums), sum(s >= positive for s in sums)]
    assert result.p == pytest.approx(min(1.0, 2 * min(tails) / len(sums)))
    assert result.statistic == min(positive, sum(ranks) - positive)


def test_wilcoxon_with_few_runs_cannot_be_significant() -> None:
    assert wilcoxon([0.9, 0.8, 0.7], [0.1, 0.1, 0.1]).p == 2 ** (1 - 3)


@given(PROBABILITIES)
def test_holm_is_the_step_down_it_claims_to_be(values: list[float]) -> None:
    adjusted = holm(values)
    for value, raised in zip(values, adjusted, strict=True):
        assert value <= raised <= min(1.0, len(values) * value + 1e-12)
        # Rejected at a level exactly when every smaller p is below its own share of the level, too.
        smaller = sorted(v for v in values if v <= value)
        assert raised == pytest.approx(min(1.0, max((len(values) - rank) * v for rank, v in enumerate(smaller))))


def test_one_p_for_several_runs() -> None:
    assert combined_p([0.03]) == 0.03
    assert combined_p([0.01, 0.02, 0.5]) == pytest.approx(0.04)
    assert combined_p([0.9, 0.8]) == 1.0


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_spread(values: list[float]) -> None:
    mean, deviation = mean_and_sd(values)
    assert mean == pytest.approx(sum(values) / len(values))
    assert deviation == pytest.approx((sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5)
    assert mean_and_sd(values[:1]) == (values[0], None)
