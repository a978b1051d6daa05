from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hybridner.calibration import fit_combiner, fit_stacker
from hybridner.calibration.weights import member_f1
from hybridner.ensemble import (
    COMBINERS,
    STACKERS,
    CombinerWeights,
    Predictions,
    stacker_from_bytes,
)
from hybridner.errors import ModelError
from hybridner.evaluation import score_spans
from hybridner.spans import Span
from tests.support.predictions import made_up_predictions


def accuracy(strategy: str, predictions: Predictions, weights: CombinerWeights | None) -> float:
    return float((COMBINERS[strategy](predictions.ballot, weights).argmax(1) == predictions.gold).mean())


def test_f1_is_that_of_the_members_own_entities(predictions: Predictions) -> None:
    gold = [record.entities for record in predictions.records]
    overall, per_class = member_f1(predictions)
    for votes, expected, by_class in zip(predictions.ballot.votes, overall, per_class, strict=True):
        found: list[list[Span]] = [[] for _ in gold]
        for (row, start, end), vote in zip(predictions.ballot.spans.tolist(), votes.tolist(), strict=True):
            if vote:
                found[row].append(Span(start, end, predictions.labels[vote]))
        scores = score_spans(gold, found)
        assert expected == pytest.approx(scores.micro.f1)
        support = scores.per_label["ORG"].gold
        assert by_class[2] == pytest.approx((support * scores.per_label["ORG"].f1 + 10 * scores.micro.f1) / (support + 10))


def test_a_label_that_never_occurs_has_the_overall_f1() -> None:
    predictions = made_up_predictions(50)
    without = replace(predictions, labels=(*predictions.labels, "NEW"))
    padded = replace(
        without,
        ballot=replace(
            predictions.ballot,
            logits=np.pad(predictions.ballot.logits, ((0, 0), (0, 1)), constant_values=-30),
            probabilities=np.pad(predictions.ballot.probabilities, ((0, 0), (0, 0), (0, 1))),
        ),
    )
    overall, per_class = member_f1(padded)
    np.testing.assert_allclose(per_class[:, -1], overall)


def test_weights_learnt_on_one_half_help_on_the_other() -> None:
    """Members of very different quality: what is weights on other texts has to beat the plain vote."""
    quality = (0.95, 0.55, 0.5, 0.55)
    weights = fit_combiner(made_up_predictions(800, quality, seed=1))
    other = made_up_predictions(800, quality, seed=2)
    votes = accuracy("majority", other, weights)
    assert accuracy("f1", other, weights) > votes
    assert accuracy("class_f1", other, weights) > votes
    assert accuracy("pool", other, weights) > max(votes, accuracy("score", other, None)) + 0.02


def test_weights_survive_json(predictions: Predictions) -> None:
    weights = fit_combiner(predictions)
    again = CombinerWeights.from_dict(weights.to_dict())
    np.testing.assert_allclose(again.class_f1, weights.class_f1, atol=1e-6)
    np.testing.assert_allclose(again.pool.coefficients, weights.pool.coefficients, atol=1e-6)
    np.testing.assert_allclose(again.pool.calibration, weights.pool.calibration, atol=1e-6)
    assert again.pool.shift == weights.pool.shift
    with pytest.raises(ModelError, match="lack pool"):
        CombinerWeights.from_dict({key: value for key, value in weights.to_dict().items() if key != "pool"})
    with pytest.raises(ModelError, match="weights of the pool cannot be read"):
        CombinerWeights.from_dict({**weights.to_dict(), "pool": [0.1] * 9})
    with pytest.raises(ModelError, match="4 members and 4 labels"):
        weights.check_shape(3, 4)


@pytest.mark.parametrize("kind", STACKERS)
def test_a_stacker_learns_and_survives_its_file(kind: str) -> None:
    pytest.importorskip("skops")
    pytest.importorskip("xgboost")
    quality = (0.95, 0.55, 0.5, 0.55)
    stacker = fit_stacker(kind, made_up_predictions(160, quality, seed=1))
    other = made_up_predictions(160, quality, seed=2)
    log = stacker.log_probabilities(other.ballot)
    np.testing.assert_allclose(np.exp(log).sum(1), 1.0)
    assert (log.argmax(1) == other.gold).mean() > accuracy("majority", other, None)
    stored = stacker.to_stored()
    again = stacker_from_bytes(kind, stored.data, stored.classes, stored.num_labels)
    np.testing.assert_allclose(again.log_probabilities(other.ballot), log, atol=1e-6)
    np.testing.assert_allclose(stored.log_probabilities(other.ballot), log, atol=1e-6)
    with pytest.raises(ModelError, match="damaged"):
        stacker_from_bytes(kind, stored.data[: len(stored.data) // 2], stored.classes, stored.num_labels)


def test_an_svm_is_fitted_on_a_draw_of_many_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skops")
    monkeypatch.setattr("hybridner.calibration.stackers._MOST_SVM_CANDIDATES", 80)
    predictions = made_up_predictions(160, (0.95, 0.55, 0.5, 0.55), seed=1)
    drawn, again, other = (fit_stacker("svm", predictions, seed).log_probabilities(predictions.ballot) for seed in (1, 1, 2))
    np.testing.assert_array_equal(drawn, again)
    assert not np.allclose(drawn, other)
    assert (drawn.argmax(1) == predictions.gold).mean() > 0.8
    (svc,) = (step for _, step in fit_stacker("svm", predictions).estimator.calibrated_classifiers_[0].estimator.steps[1:])
    assert svc.shape_fit_[0] == 80


def test_a_file_that_holds_something_else_is_not_loaded() -> None:
    skops = pytest.importorskip("skops.io")
    from functools import partial

    data = skops.dumps(partial(print, "hello"))
    with pytest.raises(ModelError, match="not loaded"):
        stacker_from_bytes("svm", data, (0, 1), 4)


def test_too_few_labels_for_a_stacker() -> None:
    with pytest.raises(ModelError, match="at least two labels"):
        fit_stacker("forest", made_up_predictions(2))
    with pytest.raises(ModelError, match="known: svm"):
        fit_stacker("bayes", made_up_predictions(20))
