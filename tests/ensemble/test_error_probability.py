"""One probability of error out of all that is known about a candidate."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.calibration import cross_fit, evaluate
from hybridner.calibration.errors import fit_error_model, with_error_models
from hybridner.calibration.logistic import fit_logistic
from hybridner.calibration.reliability import detection, reliability
from hybridner.ensemble import DecisionSettings, ErrorModel, Predictions, decide_predictions
from hybridner.ensemble.error_probability import beyond_the_domain
from hybridner.ensemble.uncertainty import SINGLE_MEASURES
from hybridner.errors import ModelError

shares = st.floats(0, 1)
WEAK = (0.65, 0.6, 0.55, 0.6)


@given(p=st.tuples(shares, shares), ood=st.tuples(shares, shares))
def test_it_rises_with_both_and_is_untouched_inside_the_domain(p: tuple[float, float], ood: tuple[float, float]) -> None:
    (low, high), (near, far) = sorted(p), sorted(ood)
    found = beyond_the_domain(np.array([low, high, low]), np.array([near, near, far]))
    assert found[0] <= found[1] + 1e-12
    assert found[0] <= found[2] + 1e-12
    assert ((found >= 0) & (found <= 1)).all()
    if near <= 0.95:
        assert found[0] == pytest.approx(low)


def test_without_a_fit_it_is_one_minus_the_score(predictions: Predictions) -> None:
    plain, guessed = (
        decide_predictions(predictions, DecisionSettings(strategy="mean", uncertainty=name)) for name in ("score", "error")
    )
    assert guessed == plain
    assert all(candidate.error_probability is None for row in guessed for candidate in row)


def test_a_constant_that_no_measure_shows_is_learned(predictions: Predictions) -> None:
    """Members that are right half as often as they say: the probability learns it, on folds that it did not see."""
    dice = np.random.default_rng(5)
    worse = replace(
        predictions,
        records=tuple(record if dice.random() < 0.5 else replace(record, entities=()) for record in predictions.records),
    )
    parts = with_error_models(cross_fit(worse), "majority")
    found = {name: evaluate(parts, "majority", name).entities() for name in ("spanner", "error")}
    ece = {
        name: reliability([1 - c.uncertainty for c, _ in rows], [is_right for _, is_right in rows])["ece"]
        for name, rows in found.items()
    }
    assert ece["error"] < ece["spanner"] - 0.01
    wrong = [not is_right for _, is_right in found["error"]]
    best = max(
        detection([c.uncertainty for c, _ in evaluate(parts, "majority", name).entities()], wrong).auroc
        for name in SINGLE_MEASURES
    )
    assert detection([c.uncertainty for c, _ in found["error"]], wrong).auroc > best - 0.06


def test_the_error_model_does_not_see_the_fold_it_speaks_about(predictions: Predictions) -> None:
    parts = cross_fit(predictions)
    models = [settings.error_model for _, settings in with_error_models(parts, "majority")]
    changed = [(replace(part, records=tuple(replace(r, entities=()) for r in part.records)), s) for part, s in parts[:1]]
    again = [settings.error_model for _, settings in with_error_models([*changed, *parts[1:]], "majority")]
    assert models[0] is not None
    assert again[0] is not None
    np.testing.assert_array_equal(models[0].entities, again[0].entities)
    assert models[1] is not None
    assert again[1] is not None
    assert not np.allclose(models[1].entities, again[1].entities)


def test_few_candidates_change_little(predictions: Predictions) -> None:
    few = predictions.select_records(range(6))
    model = fit_error_model([(few, DecisionSettings())], "mean")
    settings = DecisionSettings(strategy="mean", uncertainty="error", error_model=model)
    fitted = [c.uncertainty for row in decide_predictions(predictions, settings) for c in row]
    plain = [c.uncertainty for row in decide_predictions(predictions, replace(settings, uncertainty="score")) for c in row]
    np.testing.assert_allclose(fitted, plain, atol=0.15)


@given(offset=st.floats(-2, 2), seed=st.integers(0, 99))
def test_the_regression_starts_from_what_is_known(offset: float, seed: int) -> None:
    dice = np.random.default_rng(seed)
    features, positive = dice.normal(size=(50, 3)), dice.random(50) < 0.5
    weights, intercept = fit_logistic(features, positive, np.full(50, 1 / 50), 1e6, offset)
    np.testing.assert_allclose([*weights, intercept], 0, atol=1e-4)


def test_it_survives_json_and_damage_is_said() -> None:
    model = ErrorModel(np.arange(11.0), -np.arange(11.0))
    data = json.loads(json.dumps(model.to_dict()))
    assert ErrorModel.from_dict(data, 5, 4).to_dict() == data
    for damaged, labels in (
        ({"entities": data["entities"]}, 4),
        (data, 5),
        ({**data, "others": [float("nan")] * 11}, 4),
        ([], 4),
    ):
        with pytest.raises(ModelError, match="calibrate"):
            ErrorModel.from_dict(damaged, 5, labels)  # type: ignore[arg-type]
