"""What the page shows of a result, as HTML."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from hybridner.ensemble import FixedThreshold
from hybridner.llm import FailureKind, Provenance, VerifiedCandidate
from hybridner.space import AnalyzedText
from hybridner.space.errors import VisitorError
from hybridner.space.fragments import decimals, error_note, note
from hybridner.space.label_display import LabelDisplay
from hybridner.space.limits import Limits, check_text
from hybridner.space.result_view import ResultView
from hybridner.space.texts import page_texts
from hybridner.spans import Label, LabelSet
from tests.llm.scripted_server import candidate

LABELS = LabelSet((Label("LOC", "地点"), Label("PER", "人物"), Label("ORG", "机构")))
HALF = FixedThreshold(0.5)
SENTENCE = "北京大学的王明在上海"


def view(language: str) -> ResultView:
    return ResultView(LabelDisplay(LABELS, page_texts(language)))


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
        body = view("zh").marked_text(seen, threshold).split('<ul class="hn-legend"')[0]
        assert body.count("hn-doubt") == doubtful
        assert body.count('class="hn-hint"') == hinted
        assert [kind for _, kind in seen.other_routed(threshold)] == ["lost", "near_miss"][:hinted]
        assert sum(entity["needs_review"] for entity in seen.entity_dicts(threshold)) == doubtful
        assert view("zh").table(seen, threshold).count("待复核") == doubtful


def test_the_tip_tells_type_votes_and_who_decided() -> None:
    tip = re.search(r'data-tag="人物"[^>]*data-tip="([^"]*)"', view("zh").marked_text(analyzed(), HALF))
    assert tip is not None
    assert tip[1].split("\n") == [
        "类型：人物 (PER)", "得分 0.600　不确定度 0.600", "投票：", "  a → 人物", "  b → 不是实体", "由谁决定：集成模型",
        "u &gt; τ：会交给大模型",
    ]  # fmt: skip


def test_the_table_speaks_the_language() -> None:
    english, chinese = view("en").table(analyzed(), HALF), view("zh").table(analyzed(), HALF)
    for table, words in (
        (english, ["Decided by", "PER", ">review<", "1/2"]),
        (chinese, ["由谁决定", "人物", "待复核", "1/2"]),
    ):
        assert table.count("<tr>") == 3
        assert all(word in table for word in words)
    assert "人物" not in english


def test_an_entity_without_votes_is_explained() -> None:
    """Its type is the LLM's, or the strategy's."""
    local = candidate(0, 2, "LOC", votes={"a": "O", "b": "O"})
    by_strategy = AnalyzedText.from_candidates("北京", [local], "flat")
    decided = VerifiedCandidate(local, Provenance("PER", 0.6, "asked", "llm", "LOC", None, "some-llm", "bayes"))
    by_llm = AnalyzedText("北京", (local,), (decided,), "flat", has_llm=True)
    for seen, key in ((by_strategy, "result.no_votes_local"), (by_llm, "result.no_votes_llm")):
        assert "0/2" in view("zh").table(seen, HALF)
        assert page_texts("zh")(key) in view("zh").table(seen, HALF)
        assert page_texts("zh")(key) in view("zh").marked_text(seen, HALF)
    for key in ("result.no_votes_local", "result.no_votes_llm"):
        assert page_texts("zh")(key) not in view("zh").table(analyzed(), HALF)


def test_who_decided_is_told_after_an_llm() -> None:
    local = candidate(0, 2, "LOC")
    decided = VerifiedCandidate(local, Provenance("PER", 0.6, "asked", "llm", "LOC", None, "some-llm", "bayes"))
    overruled = VerifiedCandidate(local, Provenance("LOC", 0.6, "asked", "local", "PER", None, "some-llm", "bayes"))
    assert view("en").decided_by(decided) == "LLM (some-llm)"
    assert view("en").decided_by(overruled) == "ensemble (the LLM said: PER)"
    shown = AnalyzedText("北京", (local,), (decided,), "flat", has_llm=True)
    assert "hn-by-llm" in view("en").marked_text(shown, HALF)
    assert "hn-doubt" not in view("en").marked_text(shown, HALF)
    assert shown.entity_dicts(HALF)[0]["llm_model"] == "some-llm"


@pytest.mark.parametrize("kind", list(FailureKind))
def test_a_failure_is_told_in_the_language_of_the_page(kind: FailureKind) -> None:
    local = candidate(0, 2, "LOC")
    failed = VerifiedCandidate(local, Provenance("LOC", 0.6, "failed", llm_error="said the server", failure=kind))
    shown = AnalyzedText("北京", (local,), (failed,), "flat", has_llm=True)
    for language in ("zh", "en"):
        expected = page_texts(language)(f"failures.{kind.value}", reason="said the server")
        assert expected.replace("'", "&#x27;") in view(language).marked_text(shown, HALF)


def test_an_empty_result_says_so() -> None:
    seen = AnalyzedText.from_candidates("没有", [], "flat")
    assert "没有找到实体" in view("zh").marked_text(seen, HALF)
    assert view("zh").table(seen, HALF) == ""


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
    assert "-0.0" not in view("zh").table(seen, HALF) + view("zh").marked_text(seen, HALF)
