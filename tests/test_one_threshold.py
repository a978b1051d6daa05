"""Whoever says that a span is doubtful asks the model's threshold, also where labels have a τ of their own."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.adaptation.learn import learn_calibration, reviewed_predictions
from hybridner.calibration.evaluated import routable
from hybridner.calibration.threshold import count_doubtful
from hybridner.data.feedback import Review, ReviewedEntity
from hybridner.ensemble import FixedThreshold, decide_predictions
from hybridner.space import Analyzer, Models
from tests.llm.scripted_server import KEY, ScriptedServer, problem
from tests.support.tiny import TEXT, small_records, tiny_member

TEXTS = [TEXT, *(record.text for record in small_records()[:4])]


@pytest.fixture(scope="module")
def model(composite: HybridNerModel) -> HybridNerModel:
    """Of one label everything is doubtful, of another nothing, and of the rest what is above a τ in the middle."""
    model = copy.deepcopy(composite)
    found = sorted(c.uncertainty for prediction in model.predict(TEXTS) for c in prediction.candidates)
    model.config.review_threshold = FixedThreshold(found[len(found) // 2], {"State": 0.0, "Place": 1.0})
    return model


@pytest.fixture(scope="module")
def pipe(model: HybridNerModel) -> HybridNerPipeline:
    return HybridNerPipeline(model, device="cpu")


@pytest.fixture
def dead_end() -> Iterator[dict[str, object]]:
    """An LLM that answers nothing."""
    server = ScriptedServer(lambda body, number: problem(400))
    yield {"model": "some-model", "base_url": server.url, "api_key": KEY, "max_retries": 0}
    server.stop()


def test_there_are_entities_that_one_tau_would_judge_otherwise(model: HybridNerModel, pipe: HybridNerPipeline) -> None:
    entities = [entity for row in pipe(TEXTS) for entity in row]
    own = model.config.review_threshold
    assert any(entity["needs_review"] != (entity["uncertainty"] > own.default) for entity in entities)
    assert all(entity["needs_review"] == own.exceeded(entity["entity_group"], entity["uncertainty"]) for entity in entities)


def test_the_page_agrees_with_the_pipeline(model: HybridNerModel, pipe: HybridNerPipeline) -> None:
    analyzer = Analyzer(pipe)
    gradio = pytest.importorskip("hybridner.space.handlers", reason="gradio is not installed")
    handlers = gradio.Handlers(Models([analyzer]))
    for text in TEXTS:
        expected = pipe(text)
        assert handlers.api_analyze(text) == expected
        assert analyzer.analyze(text).entity_dicts(analyzer.own_threshold) == expected
        assert handlers.api_analyze(text, threshold=0.3) == pipe(text, threshold=0.3)


def test_the_llm_is_asked_about_what_is_doubtful(
    model: HybridNerModel, pipe: HybridNerPipeline, dead_end: dict[str, object]
) -> None:
    own = model.config.review_threshold
    candidates = [c for prediction in model.predict(TEXTS) for c in prediction.candidates if c.kind is not None]
    expected = sum(own.exceeded(c.label, c.uncertainty) for c in candidates)
    assert expected != sum(c.uncertainty > own.default for c in candidates)
    plan = pipe(TEXTS, llm=dead_end, dry_run=True)
    assert sum(len(call.routed) for call in plan.calls) == expected
    results = pipe(TEXTS, llm=dead_end)
    assert pipe.llm_report is not None
    assert pipe.llm_report.spans_routed == expected
    local = pipe(TEXTS)
    assert [[e["needs_review"] for e in row] for row in results] == [[e["needs_review"] for e in row] for row in local]
    for row in results:
        assert all((entity["llm_status"] == "failed") == entity["needs_review"] for entity in row)


def test_what_the_llm_may_not_be_asked_about_is_left_to_people(pipe: HybridNerPipeline, dead_end: dict[str, object]) -> None:
    local, results = pipe(TEXTS), pipe(TEXTS, llm=dead_end, llm_settings={"kinds": ("lost",)})
    assert any(entity["needs_review"] for row in results for entity in row)
    assert [[e["needs_review"] for e in row] for row in results] == [[e["needs_review"] for e in row] for row in local]


def test_learning_measures_by_the_thresholds_of_labels_and_keeps_them(model: HybridNerModel) -> None:
    learner = copy.deepcopy(model)
    reviews = [
        Review(record.text, tuple(ReviewedEntity(span, "added") for span in record.entities), True, id=record.id)
        for record in small_records()
    ]
    predictions = reviewed_predictions(learner, reviews)

    def doubtful(threshold: FixedThreshold) -> float:
        rows = decide_predictions(predictions, learner.decision_settings)
        return count_doubtful(routable(rows), threshold) / sum(c.is_entity for row in rows for c in row)

    before = learner.config.review_threshold
    share, wrong_share = doubtful(before), doubtful(FixedThreshold(before.default))
    report = learn_calibration(learner, reviews)
    after = learner.config.review_threshold
    assert after.by_label == before.by_label, "0 and 1 stay wherever the others move"
    assert report["threshold"]["by_label"] == after.by_label
    assert report["choices"]["target"]["share"] == pytest.approx(share)
    assert share != pytest.approx(wrong_share)


def test_near_misses_are_found_by_calibrated_probabilities() -> None:
    """Whatever the temperature, exactly those spans are candidates whose best label is near_miss times as probable as O."""
    member = tiny_member("spanner", 3)
    with torch.no_grad():
        member.head.boundary.bias[0] = 1.3  # O is about 1 / 0.3 times as probable as the best label
    found = []
    for temperature in (0.8, 1.0, 1.25):
        model = HybridNerModel.assemble({"spanner": member}, strategy="mean", temperature=temperature)
        model.config.near_miss = 1e-9
        odds = {
            (c.start, c.end): max(c.distribution[1:]) / c.distribution[0]
            for prediction in model.predict([TEXT])
            for c in prediction.candidates
        }
        model.config.near_miss = 0.3
        kept = {(c.start, c.end) for c in model.predict([TEXT])[0].candidates}
        assert kept == {span for span, ratio in odds.items() if ratio >= 0.3}
        found.append(kept)
    assert 0 < len(found[0]) < len(found[1]) < len(found[2])
