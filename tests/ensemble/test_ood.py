"""Ranks among known texts: uniform for texts of the same kind, monotone, and of the right surroundings."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from hybridner.ensemble import OodDetector, SpanFamiliarity
from hybridner.ensemble.ood import conformal_score, surroundings
from hybridner.errors import ModelError

numbers = st.floats(-1e3, 1e3, allow_subnormal=False)
references = st.lists(numbers, min_size=1, max_size=30).map(lambda values: np.sort(np.array(values)))


@given(reference=references, values=st.lists(numbers, min_size=2, max_size=20))
def test_a_stranger_text_never_gets_a_smaller_score(reference: np.ndarray, values: list[float]) -> None:
    scores = conformal_score(np.sort(values), reference)
    assert (np.diff(scores) >= 0).all()
    assert (scores >= 0).all()
    assert (scores < 1).all()


@given(reference=references, value=numbers)
def test_one_minus_the_score_is_the_conformal_p_value(reference: np.ndarray, value: float) -> None:
    p = (1 + sum(known >= value for known in reference)) / (len(reference) + 1)
    assert float(conformal_score(np.array(value), reference)) == pytest.approx(1 - p)


def test_texts_of_the_same_kind_get_uniform_scores() -> None:
    """New texts and held-out ones are drawn together, anew each time: only then are p-values independent."""
    dice = np.random.default_rng(0)
    draws = dice.gamma(2.0, size=(4000, 100))
    scores = np.array([float(conformal_score(row[0], np.sort(row[1:]))) for row in draws])
    assert kstest(scores + dice.random(len(scores)) / 100, "uniform").pvalue > 0.01
    for alpha in (0.05, 0.1, 0.5):
        assert (scores > 1 - alpha).mean() <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / len(scores))


def test_equal_texts_are_never_stranger_than_each_other() -> None:
    assert conformal_score(np.array([1.0]), np.ones(99)).tolist() == [0.0]


@given(data=st.data(), values=st.lists(numbers, min_size=1, max_size=120).map(np.array))
def test_surroundings_are_the_mean_of_the_span_and_what_is_close(data: st.DataObject, values: np.ndarray) -> None:
    start = data.draw(st.integers(0, len(values) - 1))
    end = data.draw(st.integers(start + 1, len(values)))
    expected = values[max(0, start - 24) : end + 24].mean()
    assert surroundings(values, np.array([[start, end]]))[0] == pytest.approx(expected, abs=1e-6)


def test_a_span_is_unfamiliar_in_a_strange_passage_and_in_a_strange_text() -> None:
    detector = OodDetector(np.ones(2), np.arange(19.0), np.arange(19.0))
    odd_passage = np.r_[np.zeros(200), np.full(60, 30.0)]
    odd_text = np.full(10, 30.0)
    spans = np.array([(0, 0, 2), (0, 230, 232), (1, 0, 2)])
    found = SpanFamiliarity.of(detector, spans, [odd_passage, odd_text], 0.9)
    assert found.unfamiliar.tolist() == [False, True, True]
    assert found.scores.tolist() == [0.0, 0.95, 0.95]
    # A passage like any other in a text that is strange as a whole.
    mixed = np.r_[np.zeros(50), np.full(1000, 30.0)]
    assert SpanFamiliarity.of(detector, spans[:1], [mixed], 0.9).unfamiliar.tolist() == [True]


def test_it_survives_json() -> None:
    detector = OodDetector(np.array([0.5, -1.0]), np.array([1.0, 2.0]), np.array([3.0]))
    again = OodDetector.from_dict(json.loads(json.dumps(detector.to_dict())))
    assert again.to_dict() == detector.to_dict()


@pytest.mark.parametrize(
    "damaged",
    [
        {"direction": [1.0], "texts": [1.0]},
        {"direction": [1.0], "texts": [1.0], "passages": []},
        {"direction": [1.0], "texts": [float("nan")], "passages": [1.0]},
        {"direction": "abc", "texts": [1.0], "passages": [1.0]},
        {"direction": [[1.0]], "texts": [1.0], "passages": [1.0]},
        [],
    ],
)
def test_damage_is_said(damaged: object) -> None:
    with pytest.raises(ModelError, match="calibrate"):
        OodDetector.from_dict(damaged)  # type: ignore[arg-type]
