from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.calibration import fit_temperature
from hybridner.calibration.conformal import conformal_threshold, conformal_thresholds
from hybridner.calibration.reliability import detection, reliability
from hybridner.calibration.threshold import threshold_for_count
from hybridner.ensemble import FixedThreshold, as_threshold
from hybridner.errors import ModelError
from tests.support.predictions import made_up_predictions

UNCERTAINTIES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


@given(UNCERTAINTIES, st.integers(0, 70))
def test_no_more_than_the_budget_and_no_less_than_ties_force(values: list[float], count: int) -> None:
    threshold = threshold_for_count(values, count)
    above = sum(value > threshold for value in values)
    assert above <= count
    # A lower threshold would route too many.
    lower = max((value for value in [*values, 0.0] if value < threshold), default=None)
    if lower is not None:
        assert sum(value > lower for value in values) > count


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


def test_the_temperature_is_found_again() -> None:
    for sharpness in (0.5, 1.0, 3.0):
        predictions = made_up_predictions(3000, sharpness=sharpness, seed=4)
        assert fit_temperature(predictions.ballot.logits, predictions.gold) == pytest.approx(sharpness, rel=0.1)


def test_spans_that_cannot_be_judged_say_nothing_about_the_temperature() -> None:
    assert fit_temperature(np.zeros((5, 4)), np.zeros(5, dtype=np.int64)) == 1.0
    assert fit_temperature(np.zeros((0, 4)), np.zeros(0, dtype=np.int64)) == 1.0


def test_tempering_brings_confidence_and_truth_together() -> None:
    predictions = made_up_predictions(3000, sharpness=3.0, seed=5)
    temperature = fit_temperature(predictions.ballot.logits, predictions.gold)
    ece = []
    for ballot in (predictions.ballot, predictions.ballot.with_temperature(temperature)):
        probabilities = ballot.probabilities[ballot.scorer]
        ece.append(reliability(probabilities.max(1), probabilities.argmax(1) == predictions.gold)["ece"])
    assert ece[1] < 0.03 < ece[0]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40))
def test_areas_equal_those_of_scikit_learn(pairs: list[tuple[float, bool]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    values, errors = zip(*pairs, strict=True)
    found = detection(values, errors)
    if len(set(errors)) < 2:
        assert np.isnan(found.auroc)
        return
    assert found.auroc == pytest.approx(metrics.roc_auc_score(errors, values))
    assert found.aupr == pytest.approx(metrics.average_precision_score(errors, values))


def test_labels_with_a_threshold_of_their_own() -> None:
    threshold = FixedThreshold(0.5, {"PER": 0.1})
    assert [threshold.exceeded(label, 0.3) for label in ("PER", "LOC", "O")] == [True, False, False]


@pytest.mark.parametrize("threshold", [1.5, -0.1, float("nan"), True, "0.5", None])
def test_what_is_no_threshold_is_refused(threshold: object) -> None:
    with pytest.raises(ModelError, match="threshold must be a number from 0 to 1"):
        as_threshold(threshold)
    with pytest.raises(ModelError, match="threshold of 'PER' must be a number from 0 to 1"):
        FixedThreshold(0.5, {"PER": threshold})
