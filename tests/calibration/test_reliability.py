from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.calibration import fit_temperature
from hybridner.calibration.reliability import detection, reliability
from tests.support.predictions import made_up_predictions


def test_the_temperature_is_found_again() -> None:
    for sharpness in (0.5, 1.0, 3.0):
        predictions = made_up_predictions(3000, sharpness=sharpness, seed=4)
        assert fit_temperature(predictions.ballot.logits, predictions.gold) == pytest.approx(sharpness, rel=0.1)


def test_spans_that_cannot_be_scored_say_nothing_about_the_temperature() -> None:
    assert fit_temperature(np.zeros((5, 4)), np.zeros(5, dtype=np.int64)) == 1.0
    assert fit_temperature(np.zeros((0, 4)), np.zeros(0, dtype=np.int64)) == 1.0


def test_the_temperature_brings_confidence_and_truth_together() -> None:
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
