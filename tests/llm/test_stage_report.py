"""What the stage tells: cost, kinds of failures, plans, and answers to fit its reliability on."""

from __future__ import annotations

import pytest

from hybridner.ensemble import Candidate
from hybridner.llm import (
    Budget,
    ConfusionMatrix,
    FailureKind,
    LlmError,
    LlmSettings,
    LlmStage,
    Price,
    VerifiedCandidate,
    collect_answer_pairs,
)
from hybridner.spans import LabelSet, Span
from tests.llm.scripted_server import (
    Reply,
    ScriptedServer,
    candidate,
    chat,
    problem,
    verifier,
)
from tests.llm.stage_case import ROW, SURE, TEXT, Own, Serve, by_span, run


def test_answers_become_pairs_for_a_confusion_matrix(serve: Serve, labels: LabelSet) -> None:
    results = run(serve(by_span({"俄罗斯": "PER", "叙利亚": "LOC"})), labels)
    pairs = collect_answer_pairs([results], [[Span(6, 9, "LOC"), Span(10, 14, "LOC")]])
    assert pairs == [("LOC", "PER"), ("O", "LOC")]
    fitted = ConfusionMatrix.fit(pairs, labels.with_outside)
    assert run(serve(chat("LOC")), labels, confusion=fitted)[0].candidate.label == "LOC"


def test_a_matrix_of_other_labels_is_refused(labels: LabelSet) -> None:
    with pytest.raises(LlmError, match="other labels"):
        LlmStage(Own(), labels, LlmSettings(confusion=ConfusionMatrix.from_accuracy(0.5, ("O", "X"))))


def test_texts_without_candidates_and_no_texts(labels: LabelSet) -> None:
    with LlmStage(Own(), labels) as stage:
        assert stage.run([], []) == []
        assert stage.run(["无"], [[]]) == [[]]
        with pytest.raises(LlmError, match="2 texts but candidates of 1"):
            stage.run(["a", "b"], [[]])


def test_tokens_of_the_servers_prompt_cache_cost_less(serve: Serve, labels: LabelSet) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 3, "total_tokens": 103, "prompt_tokens_details": {"cached_tokens": 75}}
    prices = {"some-model": Price(input=4.0, output=8.0, currency="CNY", cached_input=1.0)}
    with LlmStage(verifier(serve(chat("LOC", usage=usage))), labels, LlmSettings(spans_per_call=1), prices=prices) as stage:
        stage.run([TEXT], [ROW])
        report = stage.report()
    assert (report.prompt_tokens, report.cached_prompt_tokens) == (200, 150)
    assert report.cost == pytest.approx((50 * 4.0 + 150 * 1.0 + 6 * 8.0) / 1e6)
    # The alternative is priced alike.
    tokens = report.all_prompt_tokens
    assert report.all_cost == pytest.approx((tokens * (0.25 * 4.0 + 0.75) + report.all_completion_tokens * 8.0) / 1e6, rel=0.02)
    assert "150" in report.to_markdown()


def test_the_report_counts_and_compares(serve: Serve, labels: LabelSet) -> None:
    sure: list[Candidate] = [SURE]
    with LlmStage(verifier(serve(chat("LOC"))), labels, LlmSettings(spans_per_call=1)) as stage:
        stage.run([TEXT, "另" + TEXT], [ROW, sure])
        report = stage.report()
    assert (report.texts, report.texts_routed, report.text_share) == (2, 1, 0.5)
    assert (report.entities, report.entities_routed, report.spans_routed) == (3, 1, 2)
    assert (report.calls, report.attempts, report.prompt_tokens, report.completion_tokens) == (2, 2, 200, 6)
    assert report.entity_share == pytest.approx(1 / 3)
    assert (report.all_calls, report.models, report.cost) == (2, {"served-model-v2": 2}, None)
    assert report.all_prompt_tokens > 0
    assert report.p50 is not None
    assert report.p50 <= report.p95 <= report.seconds  # type: ignore[operator]
    table = report.to_markdown()
    assert "1 of 2 (50.0%)" in table
    assert "served-model-v2 (2)" in table
    assert report.to_dict()["text_share"] == 0.5


def test_a_budget_may_be_given_by_its_fields() -> None:
    assert LlmSettings(budget={"calls": 3}).budget == Budget(calls=3)  # type: ignore[arg-type]
    with pytest.raises(LlmError, match=r"budget\.cals: unknown key; did you mean 'calls'"):
        LlmSettings(budget={"cals": 3})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reply", "status", "failure"),
    [
        (chat("LO", finish="content_filter"), "failed", "filtered"),
        (problem(401), "failed", "refused"),
        (problem(429), "failed", "rate_limited"),
        (chat(" "), "failed", "bad_response"),
        (chat("perhaps"), "unparsed", "unreadable"),
        (chat("LOC"), "asked", None),
    ],
)
def test_the_kind_of_a_failure_stands_beside_its_text(
    reply: Reply, status: str, failure: str | None, serve: Serve, labels: LabelSet
) -> None:
    (result,) = run_one(serve(reply), labels)
    provenance = result.provenance
    assert (provenance.status, provenance.failure) == (status, failure and FailureKind(failure))
    assert (provenance.llm_error is None) == (failure is None)


def test_a_filtered_span_keeps_its_label_and_the_others_are_asked(serve: Serve, labels: LabelSet) -> None:
    server = serve(
        lambda body, _: problem(400, "Content Exists Risk") if "[俄罗斯]" in body["messages"][-1]["content"] else chat("PER")
    )
    candidates = [[candidate(0, 3), candidate(4, 7)]]
    with LlmStage(verifier(server), labels, LlmSettings(spans_per_call=1, fusion="replace")) as stage:
        ((first, second),) = stage.run(["俄罗斯在叙利亚。"], candidates)
    assert (first.candidate.label, first.provenance.failure) == ("LOC", FailureKind.FILTERED)
    assert (second.candidate.label, second.provenance.failure) == ("PER", None)
    assert len(server.requests) == 2


def run_one(server: ScriptedServer, labels: LabelSet) -> list[VerifiedCandidate]:
    with LlmStage(verifier(server, max_retries=0), labels, LlmSettings(spans_per_call=1, fusion="replace")) as stage:
        (row,) = stage.run(["他在叙利亚。"], [[candidate(2, 5)]])
    return row


def test_a_plan_says_what_every_repeat_may_cost(serve: Serve, labels: LabelSet) -> None:
    server = serve([chat(""), chat("?"), chat(""), chat("LOC")])
    with LlmStage(verifier(server, max_retries=1), labels, LlmSettings(spans_per_call=1)) as stage:
        plan = stage.plan(["他在叙利亚。"], [[candidate(2, 5)]])
        stage.run(["他在叙利亚。"], [[candidate(2, 5)]])
        assert (plan.usage.calls, plan.max_usage.calls, len(server.requests)) == (1, 4, 4)
    assert plan.max_usage.tokens > 4 * plan.usage.tokens
