"""What was read, asked and shown: values in, HTML and dicts out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.calibration import CalibrationConfig, calibrate
from hybridner.ensemble import COMBINERS, STACKERS, UNCERTAINTIES, UNFITTED, FixedThreshold
from hybridner.errors import ModelError
from hybridner.llm import LlmSettings, LlmStage, OpenAIVerifier, Provenance, VerifiedCandidate
from hybridner.space import Limits, LlmChoice, Reading, Service, entity_dicts
from hybridner.space.limits import LimitError
from hybridner.space.reading import local_reading, other_routed
from hybridner.space.service import DEFAULT_LLM, Choice
from hybridner.space.views import Views, note
from hybridner.space.wording import WORDINGS
from hybridner.spans import Label, LabelSet
from tests.llm.scripted_server import KEY, Reply, ScriptedServer, candidate, problem
from tests.support.predictions import LABELS as MADE_UP_LABELS
from tests.support.predictions import made_up_predictions
from tests.support.reading import candidates_of
from tests.support.tiny import TEXT, tiny_member

LABELS = LabelSet((Label("LOC", "地点"), Label("PER", "人物"), Label("ORG", "机构")))
SENTENCE = "北京大学的王明在上海"


def reading() -> Reading:
    """A certain entity, a doubtful one, an outvoted proposal and a near miss."""
    candidates = [
        candidate(0, 4, "ORG", 0.9, u=0.1, votes={"a": "ORG", "b": "ORG"}),
        candidate(0, 2, "O", 0.7, u=0.4, votes={"a": "LOC", "b": "O"}),
        candidate(5, 7, "PER", 0.6, u=0.6, votes={"a": "PER", "b": "O"}),
        candidate(8, 10, "O", 0.9, u=0.2, votes={"a": "O", "b": "O"}),
    ]
    return local_reading(SENTENCE, candidates, "flat")


def test_a_lower_threshold_routes_more_and_shows_it() -> None:
    views, seen = Views(LABELS, "zh"), reading()
    for value, doubtful, hinted in ((0.7, 0, 0), (0.5, 1, 0), (0.3, 1, 1), (0.15, 1, 2), (0.05, 2, 2)):
        threshold = FixedThreshold(value)
        body = views.text(seen, threshold).split('<ul class="hn-legend"')[0]
        assert body.count("hn-doubt") == doubtful
        assert body.count('class="hn-hint"') == hinted
        assert [kind for _, kind in other_routed(seen, threshold)] == ["lost", "near_miss"][:hinted]
        assert sum(entity["needs_review"] for entity in entity_dicts(seen, threshold)) == doubtful
        assert views.table(seen, threshold).count("待复核") == doubtful


def test_the_tip_tells_type_votes_and_who_decided() -> None:
    tip = re.search(r'data-tag="人物"[^>]*data-tip="([^"]*)"', Views(LABELS, "zh").text(reading(), FixedThreshold(0.5)))
    assert tip is not None
    assert tip[1].split("\n") == [
        "类型：人物 (PER)", "得分 0.600　不确定度 0.600", "投票：", "  a → 人物", "  b → 不是实体", "由谁决定：集成模型",
        "u &gt; τ：会交给大模型",
    ]  # fmt: skip


def test_the_table_speaks_the_language() -> None:
    threshold = FixedThreshold(0.5)
    english, chinese = (Views(LABELS, language).table(reading(), threshold) for language in ("en", "zh"))
    for table, words in (
        (english, ["Decided by", "PER", ">review<", "1/2"]),
        (chinese, ["由谁决定", "人物", "待复核", "1/2"]),
    ):
        assert table.count("<tr>") == 3
        assert all(word in table for word in words)
    assert "人物" not in english


def test_who_decided_is_told_after_an_llm() -> None:
    views, local = Views(LABELS, "en"), candidate(0, 2, "LOC")
    decided = VerifiedCandidate(local, Provenance("PER", 0.6, "asked", "llm", "LOC", None, "some-llm", "bayes"))
    held = VerifiedCandidate(local, Provenance("LOC", 0.6, "asked", "local", "PER", None, "some-llm", "bayes"))
    assert views.source(decided) == "LLM (some-llm)"
    assert views.source(held) == "ensemble (LLM said: PER)"
    shown = Reading("北京", (local,), (decided,), "flat", True)
    assert "hn-by-llm" in views.text(shown, FixedThreshold(0.5))
    assert "hn-doubt" not in views.text(shown, FixedThreshold(0.5))
    assert entity_dicts(shown, FixedThreshold(0.5))[0]["llm_model"] == "some-llm"


def test_an_empty_result_says_so() -> None:
    seen = local_reading("没有", [], "flat")
    assert "没有找到实体" in Views(LABELS, "zh").text(seen, FixedThreshold(0.5))
    assert Views(LABELS, "zh").table(seen, FixedThreshold(0.5)) == ""


def test_notes_are_escaped_and_problems_alert() -> None:
    assert note("<b>", "problem") == '<div class="hn-note hn-problem" role="alert">&lt;b&gt;</div>'
    assert 'role="status"' in note("fine")


def few(service: Service) -> Service:
    """The same model with room for few calls."""
    return Service(service.pipe, Limits(llm_calls=5))


def test_no_more_calls_are_made_than_the_limit_allows(service: Service, llm_server: ScriptedServer) -> None:
    outcome = few(service).ask(service.read(TEXT), FixedThreshold(0.0), choice(llm_server))
    assert len(llm_server.requests) == outcome.report.calls == 5


def test_reading_gives_what_the_pipeline_gives(service: Service) -> None:
    for decoding in ("flat", "nested"):
        for strategy in ("score", "majority"):
            expected = service.pipe(TEXT, threshold=0.4, decoding=decoding, strategy=strategy)
            assert entity_dicts(service.read(TEXT, Choice(strategy, decoding)), FixedThreshold(0.4)) == expected
            assert expected
    assert [one.text for one in service.read_many([TEXT] * 17)] == [TEXT] * 17
    with pytest.raises(ModelError, match="strategy must be one of"):
        service.read(TEXT, Choice("guess"))
    with pytest.raises(LimitError, match="201"):
        service.read("甲" * 201)


def test_the_plan_is_what_the_stage_would_do(service: Service) -> None:
    seen = service.read(TEXT)
    settings = LlmSettings(threshold=0.5)
    stage = LlmStage(OpenAIVerifier(DEFAULT_LLM, "http://x", "k"), service.labels, settings)
    expected, plan = stage.plan([TEXT], [seen.local]), service.plan(seen, FixedThreshold(0.5))
    assert plan.cost is not None
    assert (plan.usage, plan.cost) == (expected.usage, expected.cost)
    assert few(service).plan(seen, FixedThreshold(0.0)).usage.calls == 5
    assert service.plan(seen, FixedThreshold(1.0)).usage.calls == 0
    assert service.plan(seen, FixedThreshold(0.5), "unheard-of").cost is None


def test_the_preview_tells_count_cost_and_limit(service: Service) -> None:
    seen, views = service.read(TEXT), Views(service.labels, "en")

    def preview(value: float, model: str = "") -> str:
        threshold = FixedThreshold(value)
        return views.preview(seen, service.plan(seen, threshold, model), threshold, model, service.limits.llm_calls)

    routed = sum(c.uncertainty > 0.5 and c.kind is not None for c in seen.local)
    assert f"{routed} of {len(seen.local)} candidate spans" in preview(0.5)
    assert f'data-routed="{routed}"' in preview(0.5)
    assert "USD" in preview(0.5)
    assert "price of mine unknown" in preview(0.5, "mine")
    assert "nothing to pay" in preview(1.0)
    limited = views.preview(seen, few(service).plan(seen, FixedThreshold(0.5)), FixedThreshold(0.5), "", 5)
    assert f"at most 5 calls; {routed - 5} more" in limited
    assert f'data-routed="{routed}"' in limited


def calibrated_composite() -> HybridNerModel:
    """One with fitted weights and a forest."""
    kinds = {"a": "bert-bilstm-crf", "b": "roberta-bigru-crf", "c": "bert-bilstm-crf", "spanner": "spanner"}
    members = {name: tiny_member(kind, seed, labels=MADE_UP_LABELS[1:]) for seed, (name, kind) in enumerate(kinds.items())}
    model = HybridNerModel.assemble(members)
    calibrate(model, made_up_predictions(120), CalibrationConfig(stackers=("forest",)))
    return model


def test_only_strategies_that_work_are_offered(service: Service) -> None:
    assert service.strategies == UNFITTED
    with pytest.raises(ModelError, match="strategy must be one of score, majority, mean"):
        service.read(TEXT, Choice("pool"))
    pipe = HybridNerPipeline(calibrated_composite(), device="cpu")
    calibrated = Service(pipe, service.limits)
    assert calibrated.strategies == tuple(name for name in COMBINERS if name not in STACKERS or name == "forest")
    for strategy in calibrated.strategies:
        found = entity_dicts(calibrated.read(TEXT, Choice(strategy)), FixedThreshold(0.4))
        assert found == pipe(TEXT, strategy=strategy, threshold=0.4)
    for words in WORDINGS.values():
        assert set(words.strategies) == set(COMBINERS)
        assert set(words.uncertainties) == set(UNCERTAINTIES)


def test_the_uncertainty_can_be_chosen(service: Service, composite: HybridNerModel) -> None:
    for name in UNCERTAINTIES:
        (expected,) = candidates_of(composite, [TEXT], batch_size=16, uncertainty=name)
        assert [c.uncertainty for c in service.read(TEXT, Choice(uncertainty=name)).local] == [c.uncertainty for c in expected]
    assert service.read(TEXT, Choice(uncertainty="entropy")).local != service.read(TEXT).local
    assert service.read(TEXT, Choice(uncertainty="spanner")).local == service.read(TEXT).local
    with pytest.raises(ModelError, match="uncertainty must be one of"):
        service.read(TEXT, Choice(uncertainty="guess"))


def test_further_fields_reach_the_llm(service: Service, llm_server: ScriptedServer) -> None:
    fields = '{"thinking": {"type": "disabled"}}'
    service.ask(service.read(TEXT), FixedThreshold(0.6), replace(choice(llm_server), extra=fields))
    assert all(request["thinking"] == {"type": "disabled"} for request in llm_server.requests)
    asked = len(llm_server.requests)
    for wrong in ("{", "[1]", "thinking"):
        with pytest.raises(LimitError, match="JSON object"):
            service.ask(service.read(TEXT), FixedThreshold(0.6), replace(choice(llm_server), extra=wrong))
    assert len(llm_server.requests) == asked


def choice(server: ScriptedServer, key: str = KEY) -> LlmChoice:
    return LlmChoice(server.url, "some-model", key)


def test_answers_of_the_llm_are_worked_in(service: Service, llm_server: ScriptedServer) -> None:
    seen = service.read(TEXT)
    outcome = service.ask(seen, FixedThreshold(0.6), choice(llm_server))
    assert outcome.failed == 0
    assert outcome.report.calls == len(llm_server.requests) > 0
    assert set(llm_server.keys) == {f"Bearer {KEY}"}
    expected = service.pipe(TEXT, threshold=0.6, llm={"model": "some-model", "base_url": llm_server.url, "api_key": KEY})
    assert entity_dicts(outcome.reading, FixedThreshold(0.6)) == expected
    assert f"Calls: {outcome.report.calls};" in Views(service.labels, "en").outcome(outcome)
    assert outcome.reading.local == seen.local


def test_the_servers_own_key_goes_nowhere(service: Service, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-servers-own-key")
    service.ask(service.read(TEXT), FixedThreshold(0.6), choice(llm_server, ""))
    assert llm_server.keys
    assert not any("the-servers-own-key" in key for key in llm_server.keys)
    assert KEY not in repr(choice(llm_server))


@pytest.mark.parametrize(
    ("reply", "said"), [(problem(401, f"bad key {KEY}"), "check the key"), (problem(400, "odd"), "gave no answer")]
)
def test_a_refusing_llm_leaves_the_local_result(
    service: Service, llm_server: ScriptedServer, answers: list[Reply], reply: Reply, said: str
) -> None:
    answers[0] = reply
    seen = service.read(TEXT)
    outcome = service.ask(seen, FixedThreshold(0.6), choice(llm_server))
    message = Views(service.labels, "en").outcome(outcome)
    assert outcome.failed > 0
    assert said in message
    assert "local result" in message
    assert 'role="alert"' in message
    assert KEY not in message
    assert [item.candidate for item in outcome.reading.items] == list(seen.local)


def test_a_dead_endpoint_leaves_the_local_result(service: Service) -> None:
    seen = service.read(TEXT)
    outcome = service.ask(seen, FixedThreshold(0.6), LlmChoice("http://127.0.0.1:9/v1", "m"))
    assert "Nobody answers at this endpoint" in Views(service.labels, "en").outcome(outcome)
    assert [item.candidate for item in outcome.reading.items] == list(seen.local)


def test_nothing_doubtful_asks_nobody(service: Service, llm_server: ScriptedServer) -> None:
    outcome = service.ask(service.read(TEXT), FixedThreshold(1.0), choice(llm_server))
    assert not llm_server.requests
    assert "nothing to ask" in Views(service.labels, "en").outcome(outcome)


def test_an_endpoint_off_the_list_is_not_asked(service: Service, llm_server: ScriptedServer) -> None:
    public = Service(service.pipe, service.limits, hosts=["api.example.org"])
    with pytest.raises(LimitError, match=r"api\.example\.org"):
        public.ask(public.read(TEXT), FixedThreshold(0.1), choice(llm_server))
    with pytest.raises(LimitError, match="endpoint and model"):
        public.ask(public.read(TEXT), FixedThreshold(0.1), LlmChoice("", ""))
    assert not llm_server.requests
