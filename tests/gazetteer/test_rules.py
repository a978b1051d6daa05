from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.ensemble import Candidate, select_entities
from hybridner.errors import DataError, ModelError
from hybridner.gazetteer import Rules
from tests.llm.scripted_server import KEY, ScriptedServer, chat
from tests.support.patience import PATIENCE
from tests.support.reading import candidates_of
from tests.support.tiny import LABELS, TEXT

WITH_O = ("O", *LABELS)


def candidate(start: int, end: int, label: str, weight: float, is_entity: bool) -> Candidate:
    probability = 0.9 if is_entity else 0.4
    others = (1 - probability) / 3
    return Candidate(
        start, end, label, is_entity, tuple(probability if n == label else others for n in WITH_O), weight, 1 - probability, {}
    )


def entities(candidates: list[Candidate]) -> list[tuple[int, int, str]]:
    return [(c.start, c.end, c.label) for c in select_entities(candidates)]


def rules_of(force: object = None, forbid: object = None) -> Rules:
    rules = Rules.of(force, forbid, LABELS)  # type: ignore[arg-type]
    assert rules is not None
    return rules


def test_a_forced_term_is_an_entity_and_what_overlaps_it_is_gone() -> None:
    before = [candidate(0, 3, "State", 2.0, True), candidate(4, 6, "Place", 2.0, True), candidate(2, 5, "System", 1.0, False)]
    after = rules_of({"System": ["丙丁", "丙"]}).apply("甲乙丙丁戊己", before, WITH_O, "flat")
    assert entities(after) == [(2, 4, "System"), (4, 6, "Place")]
    (forced,) = (c for c in after if c.is_forced)
    assert (forced.score, forced.uncertainty, forced.kind) == (1.0, 0.0, None)


def test_nested_output_keeps_what_does_not_cross() -> None:
    before = [candidate(0, 6, "State", 2.0, True), candidate(1, 4, "Place", 1.0, True)]
    rules = rules_of({"System": ["丙丁戊"]})
    assert entities(rules.apply("甲乙丙丁戊己", before, WITH_O, "nested")) == [(0, 6, "State"), (2, 5, "System")]
    assert entities(rules.apply("甲乙丙丁戊己", before, WITH_O, "flat")) == [(2, 5, "System")]


def test_a_forbidden_term_makes_room_for_the_next_best() -> None:
    before = [candidate(0, 4, "State", 3.0, True), candidate(0, 2, "Place", 1.0, False)]
    assert entities(rules_of(forbid=["甲乙丙丁"]).apply("甲乙丙丁", before, WITH_O, "flat")) == [(0, 2, "Place")]


def test_a_term_that_is_forbidden_one_label_takes_the_next_probable() -> None:
    one = Candidate(0, 2, "State", True, (0.1, 0.6, 0.05, 0.25), 2.0, 0.4, {})
    (after,) = rules_of(forbid={"State": ["中國"]}).apply("中国", [one], WITH_O, "flat")
    assert (after.label, after.is_entity) == ("Place", True)
    assert after.distribution == pytest.approx((0.25, 0.0, 0.125, 0.625))
    assert after.uncertainty == pytest.approx(0.4)
    rather_none = Candidate(0, 2, "State", True, (0.3, 0.6, 0.05, 0.05), 2.0, 0.4, {})
    assert rules_of(forbid={"State": ["中国"]}).apply("中国", [rather_none], WITH_O, "flat") == []


@settings(max_examples=30, deadline=None)
@given(
    force=st.dictionaries(st.text(TEXT[:20], min_size=1, max_size=3).filter(str.strip), st.sampled_from(LABELS), max_size=3),
    forbid=st.lists(st.text(TEXT[:20], min_size=1, max_size=3).filter(str.strip), max_size=3),
    decoding=st.sampled_from(["flat", "nested"]),
)
def test_rules_hold_whatever_the_model_says(
    composite: HybridNerModel, force: dict[str, str], forbid: list[str], decoding: str
) -> None:
    by_label = {label: [word for word, own in force.items() if own == label] for label in LABELS}
    try:
        rules = Rules.of(by_label, forbid, LABELS)
    except ModelError:
        return
    (prediction,) = composite.predict([TEXT], decoding=decoding, rules=rules)
    spans = [(c.start, c.end) for c in prediction.entities]
    assert len(set(spans)) == len(spans)
    for first in spans:
        for second in spans:
            crosses = first[0] < second[0] < first[1] < second[1]
            assert not crosses
            assert decoding == "nested" or first == second or first[1] <= second[0] or second[1] <= first[0]
    for one in prediction.entities:
        word = TEXT[one.start : one.end]
        assert rules is None or rules.allows(word, one.label)
        assert not one.is_forced or one.label in {own for term, own in force.items() if len(term.strip()) == len(word)}
    if rules is None:
        assert list(prediction.candidates) == candidates_of(composite, [TEXT], decoding=decoding)[0]


def test_pipeline_forces_and_forbids(composite: HybridNerModel, tmp_path: Path) -> None:
    pipe = HybridNerPipeline(composite, device="cpu")
    (tmp_path / "never.txt").write_text("俄罗斯\n", encoding="utf-8")
    result = pipe(TEXT, force={"State": ["敘利亞"]}, forbid=str(tmp_path / "never.txt"))
    (forced,) = (e for e in result if e["source"] == "rule")
    assert (forced["word"], forced["entity_group"], forced["score"], forced["needs_review"]) == ("叙利亚", "State", 1.0, False)
    assert "俄罗斯" not in {e["word"] for e in result}
    assert pipe(TEXT) == HybridNerPipeline(composite, device="cpu")(TEXT)


def test_an_llm_cannot_break_a_rule(composite: HybridNerModel) -> None:
    server = ScriptedServer(lambda body, number: chat("State"))
    try:
        pipe = HybridNerPipeline(composite, device="cpu")
        llm = {"model": "m", "base_url": server.url, "api_key": KEY, "timeout": PATIENCE, "max_retries": 0}
        found = {e["word"] for e in pipe(TEXT, threshold=0.0, llm=llm, llm_settings={"fusion": "replace"}) if e["llm_label"]}
        word = max((one for one in found if not one.isascii()), key=len)
        options = {"threshold": 0.0, "llm": llm, "llm_settings": {"fusion": "replace"}}
        forbidden = pipe(TEXT, forbid={"State": [word]}, **options)
        assert word not in {e["word"] for e in forbidden}
        forced = pipe(TEXT, force={"Place": [word]}, **options)
        assert {e["entity_group"] for e in forced if e["word"] == word} == {"Place"}
        assert {e["source"] for e in forced if e["word"] == word} == {"rule"}
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("force", "forbid", "message"),
    [
        ({"City": ["北京"]}, None, "force: there is no label 'City'; the model has State, System, Place"),
        (["北京"], None, "force takes terms by label"),
        ({"Place": ["北京"], "State": ["北京"]}, None, "cannot be Place and State at once"),
        ({"Place": ["北京"]}, ["北京"], "'北京' is forced and forbidden at once"),
        ({"Place": ["北京"]}, {"Place": ["北京"]}, "forced and forbidden at once"),
    ],
)
def test_rules_that_cannot_hold_are_refused(force: object, forbid: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        rules_of(force, forbid)


def test_a_single_text_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(DataError, match="force takes lists of terms; got '北京'"):
        rules_of({"Place": "北京"})
