from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.spans import best_flat, best_nested

intervals = st.tuples(st.integers(0, 9), st.integers(1, 4)).map(lambda pair: (pair[0], pair[0] + pair[1]))
candidates = st.dictionaries(intervals, st.integers(-3, 9).map(lambda w: w / 2), max_size=8)


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def cross(a: tuple[int, int], b: tuple[int, int]) -> bool:
    within = a[0] <= b[0] and b[1] <= a[1]
    around = b[0] <= a[0] and a[1] <= b[1]
    return overlap(a, b) and not within and not around


@pytest.mark.parametrize(("solve", "clash"), [(best_flat, overlap), (best_nested, cross)])
@given(chosen_from=candidates)
def test_no_allowed_set_weighs_more(solve, clash, chosen_from) -> None:
    spans, weights = list(chosen_from), list(chosen_from.values())
    best = 0.0
    for size in range(len(spans) + 1):
        for subset in combinations(range(len(spans)), size):
            if not any(clash(spans[i], spans[j]) for i, j in combinations(subset, 2)):
                best = max(best, sum(weights[i] for i in subset))
    chosen = solve(spans, weights)
    assert not any(clash(spans[i], spans[j]) for i, j in combinations(chosen, 2))
    assert sum(weights[i] for i in chosen) == pytest.approx(best)
    assert all(weights[i] > 0 for i in chosen)


@pytest.mark.parametrize("solve", [best_flat, best_nested])
@given(chosen_from=candidates, order=st.randoms())
def test_the_order_of_the_candidates_does_not_matter(solve, chosen_from, order) -> None:
    spans = list(chosen_from)
    shuffled = list(spans)
    order.shuffle(shuffled)
    # distinct weights: with ties several sets are equally good
    weight = {span: abs(w) + 0.001 * (span[0] * 13 + span[1]) ** 0.5 for span, w in chosen_from.items()}

    def result(some: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return sorted(some[i] for i in solve(some, [weight[s] for s in some]))

    assert result(spans) == result(shuffled)


def test_greedy_would_be_wrong_here() -> None:
    spans = [(0, 3), (2, 6), (5, 8)]
    assert best_flat(spans, [3.0, 4.0, 3.0]) == [0, 2]
