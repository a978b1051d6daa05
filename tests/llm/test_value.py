"""Who is asked first: those whose answer is worth most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hybridner.ensemble import Candidate
from hybridner.llm import ConfusionMatrix
from hybridner.llm.routing import route_doubtful
from hybridner.llm.value import answer_value

LABELS = ("O", "LOC", "PER")
distributions = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda p: tuple((np.array(p) / sum(p)).tolist()))


def candidate(distribution: tuple[float, ...], start: int = 0) -> Candidate:
    label = LABELS[int(np.argmax(distribution))]
    return Candidate(start, start + 1, label, label != "O", distribution, 0.0, 1 - max(distribution), {"a": "LOC"})


@given(distribution=distributions, accuracy=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_better_verifier_is_worth_at_least_as_much(distribution: tuple[float, ...], accuracy: tuple[float, float]) -> None:
    worse, better = (answer_value(candidate(distribution), ConfusionMatrix.from_accuracy(a, LABELS)) for a in sorted(accuracy))
    assert 0 <= worse <= better + 1e-9


@given(distribution=distributions)
def test_a_verifier_that_knows_nothing_is_worth_nothing(distribution: tuple[float, ...]) -> None:
    assert answer_value(candidate(distribution), ConfusionMatrix.from_accuracy(1 / 3, LABELS)) < 1e-9


def test_what_no_answer_could_change_is_not_asked() -> None:
    sure, doubtful, far = candidate((0.01, 0.98, 0.01)), candidate((0.5, 0.45, 0.05), 3), candidate((0.3, 0.6, 0.1), 6)
    row = [sure, doubtful, far]
    matrix = ConfusionMatrix.from_accuracy(0.7, LABELS)
    order = [item.index for item in route_doubtful([row], [[True] * 3], matrix=matrix)]
    values = [answer_value(one, matrix) for one in row]
    assert values[0] == 0
    assert order == sorted((1, 2), key=lambda index: -values[index])
    # Without a matrix all are asked, the most uncertain first.
    assert [item.index for item in route_doubtful([row], [[True] * 3])] == [1, 2, 0]
    lost = replace(doubtful, votes={})
    assert answer_value(lost, matrix) == values[1]
