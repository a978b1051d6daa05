from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hybridner.ensemble import Ballot
from hybridner.ensemble.sequence import best_legal_tags, vote_sequences
from hybridner.spans.tags import inside_tag


def legal(tags: tuple[int, ...]) -> bool:
    return all(
        tag == 0 or tag % 2 == 1 or (previous > 0 and (previous + 1) // 2 == tag // 2)
        for previous, tag in zip((0, *tags), tags, strict=False)
    )


@given(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=5))
def test_the_best_legal_sequence_by_brute_force(rows: list[list[int]]) -> None:
    votes = np.array(rows, dtype=float)
    best = best_legal_tags(votes)
    assert legal(tuple(best))
    every = [tags for tags in product(range(5), repeat=len(rows)) if legal(tags)]
    total = [sum(votes[i, tag] + 1e-3 * (tag == 0) for i, tag in enumerate(tags)) for tags in every]
    assert np.isclose(sum(votes[i, tag] + 1e-3 * (tag == 0) for i, tag in enumerate(best)), max(total))


def test_characters_are_voted_on_and_spanner_has_no_say() -> None:
    """Three taggers see [0, 3), [0, 3) and [1, 3); SpanNER's own proposal counts for nothing."""
    spans = np.array([(0, 0, 3), (0, 1, 3), (0, 4, 5), (1, 0, 1)])
    votes = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 2], [0, 0, 2, 0]])
    ballot = Ballot(spans, votes, np.zeros((4, 3)), np.zeros((4, 4, 3)), 3)
    assert vote_sequences(ballot, np.array([5, 1])) == [[(0, 3, 1)], []]


def test_an_inside_without_its_begin_never_comes_out() -> None:
    votes = np.zeros((2, 5))
    votes[0, 0], votes[1, inside_tag(1)] = 2, 3
    assert best_legal_tags(votes) == [3, 4]
    assert best_legal_tags(np.zeros((0, 5))) == []
