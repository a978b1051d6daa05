"""What the page shows of a result, as HTML."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.ensemble import FixedThreshold
from hybridner.llm import FailureKind, Provenance, VerifiedCandidate
from hybridner.space import AnalyzedText
from hybridner.space.errors import VisitorError
from hybridner.space.fragments import decimals, error_note, note
from hybridner.space.label_display import LabelDisplay
from hybridner.space.limits import Limits, check_text
from hybridner.space.llm_view import changes_table
from hybridner.space.result_data import ResultData, as_html, count_levels, level
from hybridner.space.texts import page_texts
from hybridner.spans import Label, LabelSet
from tests.llm.scripted_server import candidate
from tests.support.page import data_of

LABELS = LabelSet((Label("LOC", "地点"), Label("PER", "人物"), Label("ORG", "机构")))
HALF = FixedThreshold(0.5)
SENTENCE = "北京大学的王明在上海"


def view(language: str) -> ResultData:
    return ResultData(LabelDisplay(LABELS, page_texts(language)))


def analyzed() -> AnalyzedText:
    """A certain entity, a doubtful one, an outvoted proposal and a near miss."""
    candidates = [
        candidate(0, 4, "ORG", 0.9, u=0.1, votes={"a": "ORG", "b": "ORG"}),
        candidate(0, 2, "O", 0.7, u=0.4, votes={"a": "LOC", "b": "O"}),
        candidate(5, 7, "PER", 0.6, u=0.6, votes={"a": "PER", "b": "O"}),
        candidate(8, 10, "O", 0.9, u=0.2, votes={"a": "O", "b": "O"}),
    ]
    return AnalyzedText.from_candidates(SENTENCE, candidates, "flat")


def test_a_lower_threshold_routes_more_and_shows_it() -> None:
    seen = analyzed()
    for value, doubtful, hinted in ((0.7, 0, 0), (0.5, 1, 0), (0.3, 1, 1), (0.15, 1, 2), (0.05, 2, 2)):
        threshold = FixedThreshold(value)
        found = view("zh").found(seen, threshold)
        assert sum(mark["level"] == "check" for mark in found if mark["label"]) == doubtful
        assert sum(mark["label"] is None for mark in found) == hinted
        assert [kind for _, kind in seen.other_routed(threshold)] == ["lost", "near_miss"][:hinted]
        assert sum(entity["needs_review"] for entity in seen.entity_dicts(threshold)) == doubtful
        assert count_levels([seen, seen], threshold) == (4, 2 * doubtful)


@given(st.floats(0, 1), st.floats(0, 1))
def test_how_sure_is_said_in_three_steps(u: float, tau: float) -> None:
    item = AnalyzedText.from_candidates("北京", [candidate(0, 2, "LOC", u=u)], "flat").final[0]
    expected = "check" if u > tau else "fair" if min(2 * u, 1.0) > tau else "sure"
    assert level(item, FixedThreshold(tau)) == expected


def test_a_result_is_what_the_script_needs() -> None:
    data = view("zh").result(analyzed(), HALF)
    assert (data["text"], [kind["title"] for kind in data["types"]]) == (SENTENCE, ["地点", "人物", "机构"])
    first, second = data["found"]
    assert [(mark["start"], mark["end"], mark["label"], mark["level"]) for mark in (first, second)] == [
        (0, 4, "ORG", "sure"),
        (5, 7, "PER", "check"),
    ]
    assert first["entity"] == analyzed().entity_dicts(HALF)[0]
    assert second["agree"] == "1/2"
    assert second["tip"].split("\n") == [
        "类型：人物 (PER)", "得分 0.600　不确定度 0.600", "投票：", "  a → 人物", "  b → 不是实体", "由谁决定：集成模型",
        "u > τ：会交给大模型",
    ]  # fmt: skip
    assert "PER" in view("en").result(analyzed(), HALF)["found"][1]["tip"]
    assert data_of(as_html("result", data), "result") == data


def test_an_entity_without_votes_is_explained() -> None:
    """Its type is the LLM's, or the strategy's."""
    local = candidate(0, 2, "LOC", votes={"a": "O", "b": "O"})
    by_strategy = AnalyzedText.from_candidates("北京", [local], "flat")
    decided = VerifiedCandidate(local, Provenance("PER", 0.6, "asked", "llm", "LOC", model="some-llm", fusion="bayes"))
    by_llm = AnalyzedText("北京", (local,), (decided,), "flat", has_llm=True)
    for seen, key in ((by_strategy, "result.no_votes_local"), (by_llm, "result.no_votes_llm")):
        (mark,) = view("zh").found(seen, HALF)
        assert mark["agree"] == "0/2"
        assert page_texts("zh")(key) in mark["votes"]
        assert page_texts("zh")(key) in mark["tip"]
    for key in ("result.no_votes_local", "result.no_votes_llm"):
        assert page_texts("zh")(key) not in str(view("zh").found(analyzed(), HALF))


def test_who_decided_is_told_after_an_llm() -> None:
    local = candidate(0, 2, "LOC")
    decided = VerifiedCandidate(local, Provenance("PER", 0.6, "asked", "llm", "LOC", model="some-llm", fusion="bayes"))
    overruled = VerifiedCandidate(local, Provenance("LOC", 0.6, "asked", "local", "PER", model="some-llm", fusion="bayes"))
    assert view("en").decided_by(decided) == "LLM (some-llm)"
    assert view("en").decided_by(overruled) == "ensemble (the LLM said: PER)"
    shown = AnalyzedText("北京", (local,), (decided,), "flat", has_llm=True)
    (mark,) = view("en").found(shown, HALF)
    assert (mark["byLlm"], mark["llmLabel"], mark["level"]) == (True, "LOC", "fair")
    assert shown.entity_dicts(HALF)[0]["llm_model"] == "some-llm"


def test_what_the_llm_changed_is_listed() -> None:
    """Before, after, its answer, and whether it had to be paid for; an answer that was overruled too."""
    candidates = [candidate(0, 4, "ORG"), candidate(5, 7, "PER"), candidate(8, 10, "LOC"), candidate(4, 5, "O")]
    seen = AnalyzedText.from_candidates(SENTENCE, candidates, "flat")
    labels = LabelDisplay(LABELS, page_texts("zh"))
    assert changes_table(seen, labels) == ""
    relabelled = replace(candidates[0], label="LOC")
    deleted = replace(candidates[1], label="O", is_entity=False)
    final = (
        VerifiedCandidate(relabelled, Provenance("ORG", 0.6, "asked", "llm", "LOC", model="m", fusion="bayes")),
        VerifiedCandidate(deleted, Provenance("PER", 0.6, "cached", "llm", "O", model="m", fusion="bayes")),
        VerifiedCandidate(candidates[2], Provenance("LOC", 0.6, "asked", "local", "PER", model="m", fusion="bayes")),
        VerifiedCandidate(candidates[3], Provenance("O", 0.1)),
    )
    rows = re.findall(r"<tr>(<td>.*?)</tr>", changes_table(replace(seen, final=final, has_llm=True), labels))
    assert [re.findall("<td>(.*?)</td>", row) for row in rows] == [
        ["北京大学", "机构", "地点", "地点", "新回答"],
        ["王明", "人物", "不是实体", "不是实体", "用过的回答"],
        ["上海", "地点", "未改", "人物", "新回答"],
    ]
    agreed = replace(seen, has_llm=True)
    assert "没有改动" in changes_table(agreed, labels)


@pytest.mark.parametrize("kind", list(FailureKind))
def test_a_failure_is_told_in_the_language_of_the_page(kind: FailureKind) -> None:
    local = candidate(0, 2, "LOC")
    failed = VerifiedCandidate(local, Provenance("LOC", 0.6, "failed", llm_error="said the server", failure=kind))
    shown = AnalyzedText("北京", (local,), (failed,), "flat", has_llm=True)
    for language in ("zh", "en"):
        expected = page_texts(language)(f"failures.{kind.value}", reason="said the server")
        assert expected in view(language).found(shown, HALF)[0]["tip"]


def test_notes_are_escaped_and_problems_alert() -> None:
    assert note("<b>", "problem") == '<div class="hn-note hn-problem" role="alert">&lt;b&gt;</div>'
    assert 'role="status"' in note("fine")


def test_errors_are_told_in_the_language_of_the_page() -> None:
    with pytest.raises(VisitorError, match="limit is 3") as error:
        check_text("四个字符", Limits(characters=3))
    assert "文本有 4 字，最多 3 字" in error_note(error.value, page_texts("zh"))


@pytest.mark.parametrize(
    ("value", "expected"), [(-0.0, "0.00"), (-1e-9, "0.00"), (0.004, "0.00"), (0.126, "0.13"), (1.0, "1.00")]
)
def test_nothing_is_less_than_nothing(value: float, expected: str) -> None:
    assert decimals(value, 2) == expected


def test_a_tiny_negative_uncertainty_is_shown_as_nothing() -> None:
    certain = candidate(0, 2, "LOC")
    seen = AnalyzedText.from_candidates("北京", [replace(certain, uncertainty=-1e-17)], "flat")
    assert "-0.0" not in str([{**mark, "entity": None} for mark in view("zh").found(seen, HALF)])
