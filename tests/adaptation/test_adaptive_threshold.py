from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner import AdaptiveThreshold, HybridNerModel, HybridNerPipeline
from hybridner.ensemble import FixedThreshold
from hybridner.errors import ModelError
from tests.llm.scripted_server import KEY, ScriptedServer, problem
from tests.support.tiny import TEXT

labels = st.sampled_from(["State", "System", "O"])
streams = st.lists(st.tuples(labels, st.floats(0, 1)), max_size=400)
fixed = st.builds(FixedThreshold, st.floats(0, 1), st.dictionaries(labels, st.floats(0, 1)))
thresholds = st.builds(AdaptiveThreshold, st.floats(0.01, 0.99), start=fixed, step=st.floats(0.01, 1))


def pass_by(threshold: AdaptiveThreshold, label: str, uncertainty: float) -> bool:
    """Whether the next span of a stream is doubtful; the threshold moves on."""
    doubtful = threshold.exceeded(label, uncertainty)
    threshold.update(label, uncertainty)
    return doubtful


@given(thresholds, streams)
def test_the_budget_holds_for_every_stream(threshold: AdaptiveThreshold, stream: list[tuple[str, float]]) -> None:
    doubtful = sum(pass_by(threshold, *span) for span in stream)
    assert threshold.total == len(stream)
    assert threshold.doubtful == doubtful
    assert abs(doubtful - threshold.budget * len(stream)) <= threshold.max_deviation + 1e-6


@given(st.floats(0.02, 0.5), st.sampled_from(["certain", "doubtful", "turns"]))
def test_even_a_stream_that_never_crosses_a_fixed_threshold_keeps_to_it(budget: float, kind: str) -> None:
    """All spans alike, and then all alike in another way: no fixed τ could route a share of them."""
    threshold = AdaptiveThreshold(budget, step=0.5)
    values = {"certain": [1e-5] * 2000, "doubtful": [0.9] * 2000, "turns": [1e-5] * 1000 + [0.9] * 1000}[kind]
    for value in values:
        threshold.update("State", value)
    assert abs(threshold.doubtful_share - budget) <= threshold.max_deviation / 2000


@given(thresholds, streams, labels, st.floats(0, 1), st.floats(0, 1))
def test_who_is_less_certain_is_doubted_first(
    threshold: AdaptiveThreshold, stream: list[tuple[str, float]], label: str, a: float, b: float
) -> None:
    for item in stream:
        threshold.update(*item)
    low, high = sorted((a, b))
    assert threshold.exceeded(label, low) <= threshold.exceeded(label, high)


@given(thresholds, streams, streams)
def test_it_goes_on_from_what_was_stored(
    threshold: AdaptiveThreshold, before: list[tuple[str, float]], after: list[tuple[str, float]]
) -> None:
    for item in before:
        threshold.for_domain("news").update(*item)
        threshold.update(*item)
    again = AdaptiveThreshold.from_dict(json.loads(json.dumps(threshold.to_dict())))
    for label, u in after:
        assert pass_by(threshold, label, u) == pass_by(again, label, u)
        assert pass_by(threshold.for_domain("news"), label, u) == pass_by(again.for_domain("news"), label, u)
    assert again.to_dict() == threshold.to_dict()


def test_it_follows_a_stream_that_changes() -> None:
    dice = random.Random(0)
    threshold = AdaptiveThreshold(0.1)
    shares = []
    for shape in ((0.2, 3.0), (0.6, 1.5), (0.2, 3.0)):
        judged = [pass_by(threshold, "State", dice.betavariate(*shape)) for _ in range(2000)]
        shares.append(sum(judged[500:]) / 1500)
    assert shares == pytest.approx([0.1, 0.1, 0.1], abs=0.015)


def test_labels_with_an_offset_are_doubted_earlier_or_later() -> None:
    threshold = AdaptiveThreshold(0.1, start=FixedThreshold(0.4, {"Place": 0.2, "State": 0.7}))
    assert [threshold.value(label) for label in ("Place", "System", "State")] == pytest.approx([0.2, 0.4, 0.7])
    assert threshold.exceeded("Place", 0.4)
    assert not threshold.exceeded("State", 0.4)
    assert threshold.for_domain("news").value("State") == pytest.approx(0.7)


def test_each_domain_has_its_own() -> None:
    threshold = AdaptiveThreshold(0.2)
    for _ in range(200):
        threshold.for_domain("clinic").update("State", 0.9)
    assert threshold.for_domain("clinic").value() > 0.85
    assert threshold.for_domain("law").value() == threshold.value() == pytest.approx(0.5)
    assert threshold.total == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"budget": 0.0}, "budget must lie between 0 and 1"),
        ({"budget": 1.0}, "budget"),
        ({"budget": 0.1, "step": 0.0}, "step"),
        ({"budget": 0.1, "start": 1.5}, "from 0 to 1, not 1.5"),
    ],
)
def test_impossible_settings_are_refused(arguments: dict[str, float], problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        AdaptiveThreshold(**arguments)


def test_the_pipeline_marks_a_share_of_the_entities_for_review(composite: HybridNerModel) -> None:
    pipe = HybridNerPipeline(composite, device="cpu")
    threshold = AdaptiveThreshold(0.3, step=0.5)
    results = pipe([TEXT] * 60, threshold=threshold)
    marked = [entity["needs_review"] for entities in results for entity in entities]
    assert len(marked) == threshold.total > 100
    assert sum(marked) == threshold.doubtful
    assert abs(threshold.doubtful_share - 0.3) < 0.1
    # The next call goes on, and another threshold starts anew.
    pipe(TEXT, threshold=threshold)
    assert threshold.total > len(marked)
    replay = AdaptiveThreshold(0.3, step=0.5)
    expected = [pass_by(replay, e["entity_group"], e["uncertainty"]) for entities in results for e in entities]
    assert marked == expected


def test_a_dry_run_does_not_move_it(composite: HybridNerModel) -> None:
    pipe = HybridNerPipeline(composite, device="cpu")
    threshold = AdaptiveThreshold(0.2, start=0.1)
    plan = pipe(
        [TEXT], threshold=threshold, llm={"model": "m", "base_url": "http://127.0.0.1:9/v1", "api_key": "x"}, dry_run=True
    )
    assert plan.usage.calls > 0
    assert threshold.total == 0


def test_with_an_llm_the_budget_is_what_is_routed(composite: HybridNerModel) -> None:
    server = ScriptedServer(lambda body, number: problem(400))
    pipe = HybridNerPipeline(composite, device="cpu")
    threshold = AdaptiveThreshold(0.2, step=0.5)
    llm = {"model": "some-model", "base_url": server.url, "api_key": KEY, "max_retries": 0}
    try:
        results = pipe([TEXT] * 20, threshold=threshold, llm=llm, llm_settings={"kinds": ("entity",)})
    finally:
        server.stop()
    asked = [entity for entities in results for entity in entities if entity["llm_status"] == "failed"]
    assert len(asked) == threshold.doubtful == pipe.llm_report.spans_routed
    assert 0.1 < threshold.doubtful_share < 0.3
    # The server had no answer: a person should look at all that were routed, and at nothing else.
    assert all(entity["needs_review"] == (entity["llm_status"] == "failed") for entities in results for entity in entities)
