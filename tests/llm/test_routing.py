"""Routing, budgets and dry runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.ensemble import FixedThreshold
from hybridner.llm import (
    Answer,
    AnswerCache,
    Budget,
    Example,
    LlmError,
    LlmSettings,
    LlmStage,
    Price,
    Question,
    load_prices,
    route,
)
from hybridner.llm.prices import Usage
from hybridner.spans import LabelSet
from tests.llm.scripted_server import candidate

ENTITY = candidate(0, 1, "LOC", u=0.5)
LOST = candidate(1, 2, "O", u=0.6, votes={"a": "LOC", "b": "O"})
NEAR_MISS = candidate(2, 3, "O", u=0.7, votes={"a": "O", "b": "O"})
PUSHED_OUT = candidate(0, 2, "PER", u=0.9, chosen=False)


class Counting:
    """A verifier without a network; counts what it is asked."""

    model = "counted"
    concurrency = 4

    def __init__(self, content: str = "PER") -> None:
        self.parameters: dict[str, object] = {}
        self.content = content
        self.asked: list[Question] = []

    async def complete(self, question: Question) -> Answer:
        self.asked.append(question)
        content = self.content if question.count == 1 else "\n".join(f"{n}: {self.content}" for n in range(1, question.count + 1))
        return Answer(content, "served", 1000, 10)

    async def close(self) -> None:
        pass


def test_three_kinds_of_doubt_most_uncertain_first() -> None:
    routed = route([[ENTITY, LOST], [NEAR_MISS, PUSHED_OUT]], 0.3)
    assert [(r.text, r.index, r.kind) for r in routed] == [(1, 0, "near_miss"), (0, 1, "lost"), (0, 0, "entity")]
    assert [r.kind for r in route([[ENTITY, LOST, NEAR_MISS]], 0.3, ["entity", "near_miss"])] == ["near_miss", "entity"]


@given(st.lists(st.floats(0, 1), max_size=20), st.floats(0, 1))
def test_routed_is_what_lies_above_the_threshold(uncertainties: list[float], threshold: float) -> None:
    row = [candidate(i, i + 1, u=u) for i, u in enumerate(uncertainties)]
    routed = route([row], threshold)
    assert {r.index for r in routed} == {i for i, u in enumerate(uncertainties) if u > threshold}
    assert [r.uncertainty for r in routed] == sorted((r.uncertainty for r in routed), reverse=True)


def many(count: int) -> tuple[list[str], list[list]]:
    """One text for each of `count` spans, ever less uncertain."""
    return [f"第{i}句里有俄罗斯。" for i in range(count)], [[candidate(5, 8, u=0.9 - i / 100)] for i in range(count)]


def stage(labels: LabelSet, verifier: Counting | None = None, cache: AnswerCache | None = None, **settings: object) -> LlmStage:
    prices = {"counted": Price(input=1.0, output=2.0, currency="CNY")}
    settings.setdefault("spans_per_call", 1)
    return LlmStage(verifier or Counting(), labels, LlmSettings(**settings), cache=cache, prices=prices)  # type: ignore[arg-type]


def test_a_dry_run_asks_nobody_and_uses_no_budget(labels: LabelSet) -> None:
    verifier = Counting()
    with stage(labels, verifier, budget=Budget(calls=5)) as llm:
        plans = [llm.plan(*many(8)) for _ in range(3)]
        for plan in plans:
            assert (plan.usage.calls, len(plan.over_budget)) == (5, 3)
            assert plan.cost == pytest.approx((plan.usage.prompt_tokens + 2 * plan.usage.completion_tokens) / 1e6)
            assert "5 spans in 5 calls" in str(plan)
            assert "CNY" in str(plan)
        assert not verifier.asked
        assert llm.report().calls == 0
        assert sum(v.provenance.status == "asked" for row in llm.run(*many(8)) for v in row) == 5


def test_the_most_uncertain_spans_get_the_budget(labels: LabelSet) -> None:
    with stage(labels, budget=Budget(calls=3)) as llm:
        statuses = [row[0].provenance.status for row in llm.run(*many(6))]
        assert statuses == ["asked"] * 3 + ["over_budget"] * 3
        # The budget is one for all batches.
        others = [part[6:] for part in many(8)]
        assert [row[0].provenance.status for row in llm.run(*others)] == ["over_budget"] * 2
        # And for texts under other settings, which do not stay.
        other = llm.with_settings(threshold=FixedThreshold(1.0), decoding="nested")
        assert [row[0].provenance.status for row in other.run(*others)] == ["local"] * 2
        other = llm.with_settings(threshold=FixedThreshold(0.0), time_limit=9.0)
        assert [row[0].provenance.status for row in other.run(*others)] == ["over_budget"] * 2
        assert (llm.settings.decoding, llm.report().texts) == ("flat", 12)


def test_calls_per_text(labels: LabelSet) -> None:
    row = [candidate(0, 3, u=0.4), candidate(4, 7, u=0.6), candidate(8, 11, u=0.5)]
    with stage(labels, budget=Budget(calls_per_text=2)) as llm:
        results = llm.run(["俄罗斯和叙利亚和伊拉克", "俄罗斯与叙利亚与伊拉克"], [row, row])
    for verified in results:
        assert [v.provenance.status == "over_budget" for v in verified] == [True, False, False]


def test_the_same_question_is_counted_and_asked_once(labels: LabelSet) -> None:
    verifier = Counting()
    texts, rows = many(2)
    with stage(labels, verifier, budget=Budget(calls=2)) as llm:
        plan = llm.plan(texts * 3, rows * 3)
        assert (plan.usage.calls, len(plan.over_budget)) == (2, 0)
        assert str(plan).startswith("6 spans in 2 calls (and 4 without one)")
        for _ in range(2):
            statuses = [row[0].provenance.status for row in llm.run(texts * 3, rows * 3)]
            assert set(statuses) <= {"asked", "cached"}
        report = llm.report()
    assert (len(verifier.asked), report.calls, report.cached) == (2, 2, 10)


@pytest.mark.parametrize("budget", [Budget(tokens=2300), Budget(cost=0.0023)])
def test_budgets_of_tokens_and_money_count_what_was_really_used(budget: Budget, labels: LabelSet) -> None:
    verifier = Counting()
    with stage(labels, verifier, budget=budget) as llm:
        for _ in range(4):
            texts, candidates = many(1)
            llm.run([texts[0] + str(len(verifier.asked))], candidates)
        # Each answer took 1,010 tokens although fewer were expected: after two there is no room for a third.
        assert len(verifier.asked) == 2


def test_a_budget_of_money_needs_a_price(labels: LabelSet) -> None:
    with pytest.raises(LlmError, match="needs the model's price"):
        LlmStage(Counting(), labels, LlmSettings(budget=Budget(cost=1.0)), prices={})


def test_cached_answers_cost_no_budget(labels: LabelSet, tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "c.sqlite")
    with stage(labels, cache=cache) as llm:
        llm.run(*many(4))
    verifier = Counting()
    with stage(labels, verifier, cache=cache, budget=Budget(calls=1)) as llm:
        plan = llm.plan(*many(5))
        assert (plan.usage.calls, len(plan.over_budget)) == (1, 0)
        statuses = [row[0].provenance.status for row in llm.run(*many(5))]
    assert statuses == ["cached"] * 4 + ["asked"]
    assert len(verifier.asked) == 1


def test_asking_once_more_keeps_to_the_budget(labels: LabelSet) -> None:
    for calls, expected in ((1, 1), (2, 2), (9, 2)):
        verifier = Counting("what?")
        with stage(labels, verifier, budget=Budget(calls=calls)) as llm:
            assert llm.run(*many(1))[0][0].provenance.status == "unparsed"
        assert len(verifier.asked) == expected


def test_the_compact_form_shares_calls_within_a_sentence_only(labels: LabelSet) -> None:
    text = "俄罗斯和叙利亚。" + "这是另外的一句很长的话，" * 5 + "伊拉克和俄罗斯。"
    at = text.index("伊拉克")
    row = [candidate(0, 3, u=0.9), candidate(4, 7, u=0.5), candidate(at, at + 3, u=0.8), candidate(at + 4, at + 7, u=0.7)]
    verifier = Counting()
    with stage(labels, verifier, spans_per_call=3, min_context_chars=0) as llm:
        plan = llm.plan([text, text], [row, row[:1]])
        assert [[(r.text, r.index) for r in call.routed] for call in plan.calls] == [[(0, 0), (0, 1)], [(1, 0)], [(0, 2), (0, 3)]]
        results = llm.run([text, text], [row, row[:1]])
    assert len(verifier.asked) == 3
    assert all(v.provenance.llm_label == "PER" for row in results for v in row)


def test_examples_are_looked_for_only_where_a_span_is_routed(labels: LabelSet) -> None:
    verifier = Counting()
    looked: list[tuple[int, int]] = []

    def examples(text: int, found: object) -> list[Example]:
        looked.append((text, found.start))  # type: ignore[attr-defined]
        return [Example("他在北京。", 2, 4, "LOC")]

    sure = candidate(5, 8, u=0.1)
    with stage(labels, verifier) as llm:
        llm.run(["第一句里有俄罗斯。", "第二句里有俄罗斯。"], [[sure], [candidate(5, 8)]], examples)
    assert looked == [(1, 5)]
    assert "他在[北京]。" in verifier.asked[0].messages[-1].content


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"accuracy": -1}, "accuracy"),
        ({"fusion": "mean"}, "'replace' or 'bayes'"),
        ({"kinds": ("entities",)}, "near_miss"),
        ({"on_llm_error": "ignore"}, "'keep' or 'raise'"),
        ({"decoding": "deep"}, "'flat' or 'nested'"),
        ({"time_limit": 0}, "time_limit"),
        ({"spans_per_call": 0}, "spans_per_call"),
        ({"examples_per_span": -1}, "examples_per_span: expected at least 0"),
        ({"accuracies": 1}, "did you mean 'accuracy'"),
        ({"min_context_chars": 500}, "min_context_chars"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(LlmError, match=complaint):
        LlmSettings(**settings)  # type: ignore[arg-type]


def test_negative_budgets_and_prices() -> None:
    with pytest.raises(LlmError, match="calls"):
        Budget(calls=-1)
    with pytest.raises(LlmError, match="input: expected at least 0"):
        Price(input=-1, output=0)


def test_a_users_price_table(tmp_path: Path) -> None:
    table = tmp_path / "prices.yaml"
    table.write_text("my-model: {input: 1, output: 2.5, currency: CNY}\n")
    assert load_prices(table) == {"my-model": Price(input=1, output=2.5, currency="CNY")}
    table.write_text("my-model: {input: 1, cached_input: 0.1, output: 2}\n")
    assert load_prices(table)["my-model"].of(Usage(3, 1_000_000, 500_000, 400_000)) == pytest.approx(0.6 + 0.04 + 1.0)
    assert load_prices()["deepseek-v3-paper"].input == 0.14
    for wrong in (
        "m: {input: 1}",
        "m: {input: x, output: 1}",
        "m: {input: 1, output: 1, cached_input: x}",
        "m: {input: 1, output: 1, in: 1}",
        "- 1",
        "m: [",
        "m: {input: true, output: 1}",
    ):
        table.write_text(wrong)
        with pytest.raises(LlmError, match=r"prices\.yaml"):
            load_prices(table)
    with pytest.raises(LlmError, match="none"):
        load_prices(tmp_path / "none.yaml")
