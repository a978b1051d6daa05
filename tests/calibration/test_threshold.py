from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.calibration.conformal import conformal_threshold, conformal_thresholds
from hybridner.calibration.threshold import count_doubtful, shifted_to_count, threshold_for_count
from hybridner.ensemble import Candidate, FixedThreshold
from hybridner.errors import ModelError
from tests.support.predictions import fixed_thresholds

UNCERTAINTIES = st.lists(st.floats(0, 1), min_size=1, max_size=60)
CANDIDATES = st.lists(
    st.builds(
        lambda label, uncertainty: Candidate(0, 1, label, label != "O", (), 0.0, uncertainty, {}),
        st.sampled_from(["O", "LOC", "PER"]),
        st.floats(0, 1),
    ),
    max_size=60,
)


@given(UNCERTAINTIES, st.integers(0, 70))
def test_no_more_than_the_budget_and_no_less_than_ties_force(values: list[float], count: int) -> None:
    threshold = threshold_for_count(values, count)
    above = sum(value > threshold for value in values)
    assert above <= count
    # A lower threshold would route too many.
    lower = max((value for value in [*values, 0.0] if value < threshold), default=None)
    if lower is not None:
        assert sum(value > lower for value in values) > count


@given(fixed_thresholds(["LOC", "PER"]), CANDIDATES, st.integers(0, 70))
def test_moved_thresholds_keep_to_the_count_and_their_labels(
    threshold: FixedThreshold, candidates: list[Candidate], count: int
) -> None:
    moved = shifted_to_count(threshold, candidates, count)
    assert moved.by_label.keys() == threshold.by_label.keys()
    # A τ of 0 is exceeded by all that is not certain, wherever the others move.
    always = sum(threshold.value(c.label) == 0 < c.uncertainty for c in candidates) if threshold.by_label else 0
    assert count_doubtful(candidates, moved) <= max(count, always)


def test_labels_move_alike_in_log_odds() -> None:
    candidates = [Candidate(0, 1, "O", False, (), 0.0, u / 100, {}) for u in range(1, 100)]
    moved = shifted_to_count(FixedThreshold(0.5, {"LOC": 0.2, "PER": 0.0, "ORG": 1.0}), candidates, 10)
    odds = {label: moved.value(label) / (1 - moved.value(label)) for label in ("", "LOC")}
    assert count_doubtful(candidates, moved) == 10
    assert odds["LOC"] == pytest.approx(odds[""] * 0.25)
    assert (moved.value("PER"), moved.value("ORG")) == (0.0, 1.0)


def test_the_promise_of_conformal_thresholds_is_kept() -> None:
    """Fresh errors, many times over: on average at most the promised share is missed; and not far fewer, ties or not."""
    dice = np.random.default_rng(0)
    for draw in (lambda n: dice.random(n), lambda n: dice.integers(1, 6, n) / 6):
        missed = []
        for _ in range(3000):
            values = draw(41)
            missed.append(values[-1] <= conformal_threshold(values[:-1], 0.1))
        assert np.mean(missed) <= 0.1 + 3 * np.sqrt(0.09 / 3000)
    assert np.mean([draw_is_missed(dice) for _ in range(3000)]) > 0.06


def draw_is_missed(dice: np.random.Generator) -> bool:
    values = dice.random(41)
    return bool(values[-1] <= conformal_threshold(values[:-1], 0.1))


def test_too_few_errors_promise_nothing() -> None:
    assert conformal_threshold([0.5] * 8, 0.1) == 0.0
    assert 0.49 < conformal_threshold([0.5] * 9, 0.1) < 0.5
    assert set(conformal_thresholds({"A": [0.5] * 9, "B": [0.5] * 3}, 0.1)) == {"A"}
    with pytest.raises(ModelError, match="between 0 and 1"):
        conformal_threshold([0.5], 1.0)
