"""The model behind the page: as the pipeline, within limits, and with an LLM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.calibration import CalibrationConfig, Target, calibrate
from hybridner.ensemble import COMBINERS, STACKERS, UNCERTAINTIES, UNFITTED, FixedThreshold
from hybridner.errors import ModelError
from hybridner.llm import FailureKind, LlmSettings, LlmStage, OpenAIVerifier
from hybridner.space import AnalysisOptions, Analyzer, Limits, LlmRequest
from hybridner.space.analyzer import DEFAULT_LLM
from hybridner.space.errors import VisitorError
from hybridner.space.kept_answers import KeptAnswers
from hybridner.space.llm_view import outcome_notes, preview
from hybridner.space.texts import page_texts
from tests.llm.scripted_server import KEY, Reply, ScriptedServer, problem
from tests.support.predictions import LABELS as MADE_UP_LABELS
from tests.support.predictions import made_up_predictions
from tests.support.reading import candidates_of
from tests.support.tiny import TEXT, tiny_member

ENGLISH = page_texts("en")


def with_few_calls(analyzer: Analyzer) -> Analyzer:
    """The same model with room for few calls."""
    return Analyzer(analyzer.pipe, Limits(llm_calls=5))


def request_to(server: ScriptedServer, key: str = KEY) -> LlmRequest:
    return LlmRequest(server.url, "some-model", key)


def test_an_analysis_gives_what_the_pipeline_gives(analyzer: Analyzer) -> None:
    for decoding in ("flat", "nested"):
        for strategy in ("score", "majority"):
            expected = analyzer.pipe(TEXT, threshold=0.4, decoding=decoding, strategy=strategy)
            assert analyzer.analyze(TEXT, AnalysisOptions(strategy, decoding)).entity_dicts(FixedThreshold(0.4)) == expected
            assert expected
    assert [one.text for one in analyzer.analyze_many([TEXT] * 17)] == [TEXT] * 17
    with pytest.raises(ModelError, match="strategy must be one of"):
        analyzer.analyze(TEXT, AnalysisOptions("guess"))
    with pytest.raises(VisitorError, match="201"):
        analyzer.analyze("甲" * 201)


@pytest.mark.parametrize("value", [None, "", "0.5", 5, -0.1, True, float("nan"), float("inf"), [0.5], {}])
def test_a_threshold_is_a_number_from_0_to_1(analyzer: Analyzer, value: object) -> None:
    with pytest.raises(VisitorError, match="from 0 to 1"):
        analyzer.check_threshold(value)


def test_the_plan_is_what_the_stage_would_do(analyzer: Analyzer) -> None:
    seen = analyzer.analyze(TEXT)
    settings = LlmSettings(threshold=0.5)
    stage = LlmStage(OpenAIVerifier(DEFAULT_LLM, "http://x", "k"), analyzer.labels, settings)
    expected, plan = stage.plan([TEXT], [seen.local]), analyzer.plan_llm(seen, FixedThreshold(0.5))
    assert plan.cost is not None
    assert (plan.usage, plan.cost) == (expected.usage, expected.cost)
    assert with_few_calls(analyzer).plan_llm(seen, FixedThreshold(0.0)).usage.calls == 5
    assert analyzer.plan_llm(seen, FixedThreshold(1.0)).usage.calls == 0
    assert analyzer.plan_llm(seen, FixedThreshold(0.5), "unheard-of").cost is None


def test_the_preview_tells_count_cost_and_limit(analyzer: Analyzer) -> None:
    seen = analyzer.analyze(TEXT)

    def shown(value: float, model: str = "") -> str:
        threshold = FixedThreshold(value)
        plan = analyzer.plan_llm(seen, threshold, model)
        return preview(seen, plan, threshold, model, analyzer.limits.llm_calls, ENGLISH)

    routed = sum(c.uncertainty > 0.5 and c.kind is not None for c in seen.local)
    assert f"{routed} of {len(seen.local)} candidate spans" in shown(0.5)
    assert f'data-routed="{routed}"' in shown(0.5)
    assert "USD" in shown(0.5)
    assert "price of mine is unknown" in shown(0.5, "mine")
    assert "costs nothing" in shown(1.0)
    plan = with_few_calls(analyzer).plan_llm(seen, FixedThreshold(0.5))
    limited = preview(seen, plan, FixedThreshold(0.5), "", 5, ENGLISH)
    assert f"at most 5 calls; {len(plan.over_budget)} more" in limited
    assert plan.over_budget
    assert f'data-routed="{routed}"' in limited


def calibrated_composite(choices: CalibrationConfig) -> HybridNerModel:
    """One with fitted weights."""
    kinds = {"a": "bert-bilstm-crf", "b": "roberta-bigru-crf", "c": "bert-bilstm-crf", "spanner": "spanner"}
    members = {name: tiny_member(kind, seed, labels=MADE_UP_LABELS[1:]) for seed, (name, kind) in enumerate(kinds.items())}
    model = HybridNerModel.assemble(members)
    calibrate(model, made_up_predictions(120), choices)
    return model


def test_only_strategies_that_work_are_offered(analyzer: Analyzer) -> None:
    assert analyzer.strategies == UNFITTED
    with pytest.raises(ModelError, match="strategy must be one of score, majority, mean"):
        analyzer.analyze(TEXT, AnalysisOptions("pool"))
    pipe = HybridNerPipeline(calibrated_composite(CalibrationConfig(stackers=("forest",))), device="cpu")
    calibrated = Analyzer(pipe, analyzer.limits)
    assert calibrated.strategies == tuple(name for name in COMBINERS if name not in STACKERS or name == "forest")
    for strategy in calibrated.strategies:
        seen = calibrated.analyze(TEXT, AnalysisOptions(strategy))
        assert seen.entity_dicts(FixedThreshold(0.4)) == pipe(TEXT, strategy=strategy, threshold=0.4)


def assert_agreement(analyzer: Analyzer, texts: list[str]) -> list[bool]:
    """Page and pipeline agree on which entities need review; gives what they say."""
    expected = analyzer.pipe(texts)
    assert [one.entity_dicts(analyzer.own_threshold) for one in analyzer.analyze_many(texts)] == expected
    return [entity["needs_review"] for found in expected for entity in found]


def test_thresholds_by_label_are_those_of_the_pipeline() -> None:
    pipe = HybridNerPipeline(
        calibrated_composite(CalibrationConfig(target=Target(error_recall=0.9, by_label=True))), device="cpu"
    )
    config, analyzer, texts = pipe.model.config, Analyzer(pipe), [TEXT[:end] for end in range(10, len(TEXT), 3)]
    assert config.label_thresholds
    assert_agreement(analyzer, texts)
    # With thresholds in the midst of the uncertainties, the one for all other types would decide otherwise.
    entities = [entity for found in pipe(texts) for entity in found]
    lowest, highest = (choose(entity["uncertainty"] for entity in entities) for choose in (min, max))
    config.threshold, config.label_thresholds = highest, {entities[0]["entity_group"]: lowest - 0.01}
    needs_review = assert_agreement(analyzer, texts)
    assert [entity["entity_group"] == entities[0]["entity_group"] for entity in entities] == needs_review


def test_the_uncertainty_can_be_chosen(analyzer: Analyzer, composite: HybridNerModel) -> None:
    for name in UNCERTAINTIES:
        (expected,) = candidates_of(composite, [TEXT], batch_size=16, uncertainty=name)
        seen = analyzer.analyze(TEXT, AnalysisOptions(uncertainty=name))
        assert [c.uncertainty for c in seen.local] == [c.uncertainty for c in expected]
    assert analyzer.analyze(TEXT, AnalysisOptions(uncertainty="entropy")).local != analyzer.analyze(TEXT).local
    assert analyzer.analyze(TEXT, AnalysisOptions(uncertainty="spanner")).local == analyzer.analyze(TEXT).local
    with pytest.raises(ModelError, match="uncertainty must be one of"):
        analyzer.analyze(TEXT, AnalysisOptions(uncertainty="guess"))


def test_no_more_calls_are_made_than_the_limit_allows(analyzer: Analyzer, llm_server: ScriptedServer) -> None:
    outcome = with_few_calls(analyzer).run_llm(analyzer.analyze(TEXT), FixedThreshold(0.0), request_to(llm_server))
    assert len(llm_server.requests) == outcome.report.calls == 5


def test_further_fields_reach_the_llm(analyzer: Analyzer, llm_server: ScriptedServer) -> None:
    fields = '{"thinking": {"type": "disabled"}}'
    analyzer.run_llm(analyzer.analyze(TEXT), FixedThreshold(0.6), replace(request_to(llm_server), extra=fields))
    assert all(request["thinking"] == {"type": "disabled"} for request in llm_server.requests)
    sent = len(llm_server.requests)
    for wrong in ("{", "[1]", "thinking", "[" * 100_000):
        with pytest.raises(VisitorError, match="JSON object"):
            analyzer.run_llm(analyzer.analyze(TEXT), FixedThreshold(0.6), replace(request_to(llm_server), extra=wrong))
    assert len(llm_server.requests) == sent


def test_answers_of_the_llm_are_worked_in(analyzer: Analyzer, llm_server: ScriptedServer) -> None:
    seen = analyzer.analyze(TEXT)
    outcome = analyzer.run_llm(seen, FixedThreshold(0.6), request_to(llm_server))
    assert outcome.failed == 0
    assert outcome.report.calls == len(llm_server.requests) > 0
    assert set(llm_server.keys) == {f"Bearer {KEY}"}
    expected = analyzer.pipe(TEXT, threshold=0.6, llm={"model": "some-model", "base_url": llm_server.url, "api_key": KEY})
    assert outcome.analyzed.entity_dicts(FixedThreshold(0.6)) == expected
    assert f"Calls: {outcome.report.calls};" in outcome_notes(outcome, ENGLISH)
    assert outcome.analyzed.local == seen.local


def test_the_servers_own_key_goes_nowhere(
    analyzer: Analyzer, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "the-servers-own-key")
    analyzer.run_llm(analyzer.analyze(TEXT), FixedThreshold(0.6), request_to(llm_server, ""))
    assert llm_server.keys
    assert not any("the-servers-own-key" in key for key in llm_server.keys)
    assert KEY not in repr(request_to(llm_server))


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        (problem(401, f"bad key {KEY}"), FailureKind.REFUSED, "check the key"),
        (problem(400, "odd"), FailureKind.SERVER_ERROR, "reports an error"),
    ],
)
def test_a_refusing_llm_leaves_the_local_result(
    analyzer: Analyzer, llm_server: ScriptedServer, answers: list[Reply], reply: Reply, kind: FailureKind, message: str
) -> None:
    answers[0] = reply
    seen = analyzer.analyze(TEXT)
    outcome = analyzer.run_llm(seen, FixedThreshold(0.6), request_to(llm_server))
    notes = outcome_notes(outcome, ENGLISH)
    assert outcome.failed > 0
    assert set(outcome.reasons) == {kind}
    assert message in notes
    assert "local result" in notes
    assert 'role="alert"' in notes
    assert KEY not in notes
    assert [item.candidate for item in outcome.analyzed.final] == list(seen.local)


def test_a_dead_endpoint_leaves_the_local_result(analyzer: Analyzer) -> None:
    seen = analyzer.analyze(TEXT)
    outcome = analyzer.run_llm(seen, FixedThreshold(0.6), LlmRequest("http://127.0.0.1:9/v1", "m"))
    assert "No connection to this endpoint" in outcome_notes(outcome, ENGLISH)
    assert [item.candidate for item in outcome.analyzed.final] == list(seen.local)


def test_without_a_doubtful_span_no_request_is_sent(analyzer: Analyzer, llm_server: ScriptedServer) -> None:
    outcome = analyzer.run_llm(analyzer.analyze(TEXT), FixedThreshold(1.0), request_to(llm_server))
    assert not llm_server.requests
    assert "no request was sent" in outcome_notes(outcome, ENGLISH)


def test_an_endpoint_off_the_list_gets_no_request(analyzer: Analyzer, llm_server: ScriptedServer) -> None:
    public = Analyzer(analyzer.pipe, analyzer.limits, llm_hosts=["api.example.org"])
    with pytest.raises(VisitorError, match=r"api\.example\.org"):
        public.run_llm(public.analyze(TEXT), FixedThreshold(0.1), request_to(llm_server))
    with pytest.raises(VisitorError, match="endpoint and model"):
        public.run_llm(public.analyze(TEXT), FixedThreshold(0.1), LlmRequest("", ""))
    assert not llm_server.requests


def test_answers_that_were_paid_for_are_not_paid_for_again(
    analyzer: Analyzer, llm_server: ScriptedServer, tmp_path: Path
) -> None:
    kept = KeptAnswers(tmp_path / "visit" / "answers.sqlite", "some-model", "")
    threshold = FixedThreshold(0.3)
    seen = analyzer.analyze(TEXT)
    first = analyzer.run_llm(seen, threshold, request_to(llm_server), kept)
    sent = len(llm_server.requests)
    assert sent == first.report.calls > 0
    again = analyzer.run_llm(seen, threshold, request_to(llm_server), kept)
    assert len(llm_server.requests) == sent
    assert (again.report.calls, again.report.cached) == (0, sent)
    assert f"answers paid for before: {sent}" in outcome_notes(again, ENGLISH)
    assert [item.candidate for item in again.analyzed.final] == [item.candidate for item in first.analyzed.final]
    # Another strategy finds most of the same spans; nothing is sent for them, and the estimate knows.
    other = analyzer.use_kept(analyzer.analyze(TEXT, AnalysisOptions("majority")), kept)
    assert len(llm_server.requests) == sent
    answered = [item for item in other.final if item.provenance.llm_label is not None]
    assert answered
    assert {item.provenance.status for item in other.final} <= {"cached", "local"}
    assert all(item.provenance.failure is None for item in other.final)
    plan = analyzer.plan_llm(seen, threshold, "some-model", kept)
    assert plan.usage.calls == 0
    # Planned are questions about several spans; this LLM does not keep their form and was asked about single ones too.
    planned = analyzer.plan_llm(seen, threshold, "another-model", kept).usage.calls
    assert 0 < planned <= sent
    assert f"free now; {planned}" in preview(seen, plan, threshold, "some-model", 1_000, ENGLISH)
    lost = KeptAnswers(tmp_path / "nothing", "m", "")
    assert analyzer.use_kept(seen, lost) == seen
    assert KEY.encode() not in kept.path.read_bytes()


def test_the_estimate_tells_repeats(analyzer: Analyzer) -> None:
    seen, threshold = analyzer.analyze(TEXT), FixedThreshold(0.5)
    plan = analyzer.plan_llm(seen, threshold)
    assert plan.max_usage.calls > plan.usage.calls > 0
    assert f"at most {plan.max_usage.calls} requests" in preview(seen, plan, threshold, "", 1_000, ENGLISH)
