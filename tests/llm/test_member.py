"""The LLM as a member: its votes weigh what they have proved to be worth, whoever it is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner.calibration import fit_member
from hybridner.ensemble import Candidate
from hybridner.errors import DataError
from hybridner.llm import (
    AnswerCache,
    Budget,
    ConfusionMatrix,
    FailureKind,
    LlmError,
    LlmSettings,
    LlmStage,
    MemberReliability,
    expected_gain,
    join_member,
)
from hybridner.llm.context import split_pieces
from hybridner.spans import LabelSet, Span
from tests.llm.scripted_server import HANG, Reply, ScriptedServer, candidate, chat, problem, verifier

Serve = Callable[[Any], ScriptedServer]
NAMES = ("O", "LOC", "PER", "ORG")
TEXT = "2023年，俄罗斯在叙利亚部署了干扰机。"
RUSSIA = candidate(6, 9, "LOC", 0.6, u=0.5)
SYRIA = candidate(10, 13, "O", 0.6, u=0.4, votes={"a": "LOC", "b": "O"})
ROW = [RUSSIA, SYRIA]
WHOLE = [(0, len(TEXT))]
GOOD = MemberReliability(ConfusionMatrix.from_accuracy(0.9, NAMES), (0.0, 0.8, 0.8, 0.3), (0.0, 0.01, 0.01, 0.01))


def found(items: Sequence[Any]) -> set[tuple[int, int, str]]:
    return {(i.candidate.start, i.candidate.end, i.candidate.label) for i in items if i.candidate.is_entity}


def test_votes_of_the_llm_move_labels_and_its_silence_deletes() -> None:
    joined = join_member(ROW, [Span(10, 13, "LOC")], WHOLE, GOOD, "flat")
    assert found(joined) == {(10, 13, "LOC")}
    assert [item.said for item in joined] == ["O", "LOC"]
    assert [item.original for item in joined] == ROW
    assert joined[1].candidate.uncertainty == pytest.approx(1 - max(joined[1].candidate.distribution))


def test_a_span_that_nobody_proposed_joins_where_such_spans_are_mostly_right() -> None:
    joined = join_member(ROW, [Span(6, 9, "LOC"), Span(15, 18, "PER"), Span(0, 4, "ORG")], WHOLE, GOOD, "flat")
    assert [(i.candidate.start, i.candidate.end) for i in joined] == [(0, 4), (6, 9), (10, 13), (15, 18)]
    assert found(joined) == {(6, 9, "LOC"), (15, 18, "PER")}
    organization, *_, person = joined
    assert (person.original, person.said, person.candidate.score) == (None, "PER", pytest.approx(0.8))
    assert (organization.candidate.label, organization.candidate.distribution[0]) == ("O", pytest.approx(0.7))


def test_an_overlapping_span_of_the_llm_competes_by_its_weight() -> None:
    sure = [candidate(6, 9, "LOC", 0.999)]
    assert found(join_member(sure, [Span(6, 12, "PER")], WHOLE, GOOD, "flat")) == {(6, 9, "LOC")}
    unsure = [candidate(6, 9, "LOC", 0.6)]
    assert found(join_member(unsure, [Span(6, 12, "PER")], WHOLE, GOOD, "flat")) == {(6, 12, "PER")}
    assert (6, 12, "PER") in found(join_member(sure, [Span(6, 12, "PER")], WHOLE, GOOD, "nested"))


def test_what_was_not_asked_about_stays_as_it_was() -> None:
    assert [item.candidate for item in join_member(ROW, [], [], GOOD, "flat")] == ROW
    # The piece ends within the second span, so that the LLM says nothing about it.
    first, second = join_member(ROW, [], [(0, 11)], GOOD, "flat")
    assert (first.said, second.said) == ("O", None)
    assert second.candidate == SYRIA


def test_an_llm_at_chance_changes_nothing() -> None:
    chance = MemberReliability.from_accuracy(0.0, NAMES)
    spans = [Span(6, 9, "PER"), Span(10, 13, "LOC"), Span(0, 4, "ORG")]
    joined = join_member(ROW, spans, WHOLE, chance, "flat")
    assert [item.candidate for item in joined if item.original is not None] == ROW
    assert found(joined) == {(6, 9, "LOC")}


@pytest.mark.parametrize("names", [NAMES, ("O", *(f"T{number}" for number in range(13)))])
def test_silence_of_an_llm_that_nothing_was_fitted_for_leaves_sure_entities(names: tuple[str, ...]) -> None:
    unfitted = MemberReliability.from_accuracy(LlmSettings().accuracy, names)
    rows = unfitted.matrix.rows
    assert rows[1][1] > 0.6
    # What silence says against an entity does not grow with the number of labels.
    assert rows[0][0] / rows[1][0] == pytest.approx(0.82 / 0.18)
    sure, unsure = candidate(6, 9, names[1], 0.96, names=names), candidate(10, 13, names[1], 0.6, names=names)
    (first, second) = join_member([sure, unsure], [], WHOLE, unfitted, "flat")
    assert first.candidate.is_entity
    assert second.candidate.is_entity == (0.6 / unsure.distribution[0] > 0.82 / 0.18)


def test_a_stated_accuracy_is_a_probability() -> None:
    with pytest.raises(LlmError, match=r"must lie in \[0, 1\]"):
        MemberReliability.from_accuracy(1.5, NAMES)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_joining_keeps_every_candidate_and_adds_only_what_the_llm_gave(data: st.DataObject) -> None:
    places = st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda pair: (pair[0], pair[0] + pair[1]))
    row = [
        candidate(start, end, data.draw(st.sampled_from(NAMES)), data.draw(st.floats(0.3, 0.99)))
        for start, end in sorted(data.draw(st.sets(places, max_size=6)), key=lambda place: (place[0], -place[1]))
    ]
    spans = [Span(*place, data.draw(st.sampled_from(NAMES[1:]))) for place in data.draw(st.sets(places, max_size=6))]
    joined = join_member(row, spans, [(0, 18)], GOOD, "flat")
    known = {(c.start, c.end) for c in row}
    assert [item.original for item in joined if item.original is not None] == row
    assert {(i.candidate.start, i.candidate.end) for i in joined if i.original is None} == {
        (s.start, s.end) for s in spans
    } - known
    for item in joined:
        assert math.isclose(sum(item.candidate.distribution), 1.0, abs_tol=1e-9)
        assert (item.candidate.label != "O") or not item.candidate.is_entity
    chosen = sorted((i.candidate.start, i.candidate.end) for i in joined if i.candidate.is_entity)
    assert all(a[1] <= b[0] for a, b in pairwise(chosen))


def test_the_expected_gain_is_the_value_of_the_votes() -> None:
    """Against a plain sum over true labels and answers."""
    rows = GOOD.matrix.rows
    prior = RUSSIA.distribution
    informed = 0.0
    for answer in range(4):
        joint = [prior[true] * rows[true][answer] for true in range(4)]
        informed += max(joint)
    assert expected_gain([RUSSIA], 0, GOOD) == pytest.approx(informed - max(prior))
    # Ten characters: a hundredth of a span of each label, of which those are taken that are right more often than not.
    assert expected_gain([], 10, GOOD) == pytest.approx(10 * 0.01 * (0.6 + 0.6))
    assert expected_gain([candidate(0, 2, "LOC", 1 - 1e-9)], 0, GOOD) == pytest.approx(0.0, abs=1e-6)
    assert expected_gain(ROW, 10, MemberReliability.from_accuracy(0.0, NAMES)) == 0.0


@given(st.text("甲乙，。！ \n", max_size=80), st.integers(0, 20), st.integers(20, 30))
@settings(deadline=None)
def test_pieces_are_the_whole_text_and_of_bounded_length(text: str, shortest: int, longest: int) -> None:
    pieces = split_pieces(text, min_chars=shortest, max_chars=longest)
    assert "".join(text[piece.start : piece.end] for piece in pieces) == text
    assert all(0 < piece.end - piece.start <= longest for piece in pieces)


# Simulated worlds: a composite that is right about some spans, and LLMs of many kinds.


def world(sentences: int, seed: int, quality: float = 0.7) -> tuple[list[list[Candidate]], list[list[Span]]]:
    """Sentences of 60 characters with six places for an entity; the composite proposes most, with honest probabilities."""
    dice = random.Random(seed)
    rows, gold = [], []
    for _ in range(sentences):
        row, truth = [], []
        for place in range(0, 60, 10):
            label = dice.choice(("O", "O", "LOC", "PER", "ORG"))
            if label != "O":
                truth.append(Span(place, place + 3, label))
            if dice.random() < 0.15:
                continue  # nobody proposes it
            p = dice.uniform(quality - 0.25, min(0.99, quality + 0.25))
            shown = label if dice.random() < p else dice.choice([name for name in NAMES if name != label])
            row.append(candidate(place, place + 3, shown, p))
        rows.append(row)
        gold.append(truth)
    return rows, gold


def knowing(accuracy: float) -> Callable[[Sequence[Span], random.Random], list[Span]]:
    """Right about each place with a probability, otherwise any other answer."""

    def speak(truth: Sequence[Span], dice: random.Random) -> list[Span]:
        said = []
        for place in range(0, 60, 10):
            true = next((span.label for span in truth if span.start == place), "O")
            label = true if dice.random() < accuracy else dice.choice([name for name in NAMES if name != true])
            if label != "O":
                said.append(Span(place, place + 3, label))
        return said

    return speak


def always(label: str) -> Callable[[Sequence[Span], random.Random], list[Span]]:
    return lambda truth, dice: [Span(place, place + 3, label) for place in range(0, 60, 10)]


def inventing(truth: Sequence[Span], dice: random.Random) -> list[Span]:
    """Spans that no annotator would draw."""
    return [Span(place + 4, place + 8, dice.choice(NAMES[1:])) for place in range(0, 60, 10)]


SPEAKERS: dict[str, Callable[[Sequence[Span], random.Random], list[Span]]] = {
    "knows nearly all": knowing(0.95),
    "as good as the composite": knowing(0.7),
    "weak": knowing(0.4),
    "guesses": knowing(0.25),
    "always wrong": knowing(0.0),
    "silent": lambda truth, dice: [],
    "one answer for all": always("PER"),
    "invents": inventing,
}


def f1(rows: Sequence[Sequence[Span]], gold: Sequence[Sequence[Span]]) -> float:
    right = sum(len(set(a) & set(b)) for a, b in zip(rows, gold, strict=True))
    return 2 * right / max(1, sum(map(len, rows)) + sum(map(len, gold)))


def entities(candidates: Sequence[Candidate]) -> list[Span]:
    return [Span(c.start, c.end, c.label) for c in candidates if c.is_entity]


@pytest.mark.parametrize("name", SPEAKERS)
def test_never_below_the_better_of_the_two_by_more_than_noise(name: str) -> None:
    dice = random.Random(7)
    rows, gold = world(50, 1)
    said = [SPEAKERS[name](truth, dice) for truth in gold]
    reliability = fit_member(rows, said, gold, 50 * 60, NAMES)
    rows, gold = world(600, 2)
    said = [SPEAKERS[name](truth, dice) for truth in gold]
    together = [
        entities([item.candidate for item in join_member(row, mine, [(0, 60)], reliability, "flat")])
        for row, mine in zip(rows, said, strict=True)
    ]
    local, alone, both = f1([entities(row) for row in rows], gold), f1(said, gold), f1(together, gold)
    assert both > max(local, alone) - 0.01
    if name in ("as good as the composite", "weak"):
        assert both > max(local, alone)
    if name == "as good as the composite":
        assert both > max(local, alone) + 0.03
    if name in ("silent", "one answer for all", "invents"):
        assert both == pytest.approx(local, abs=0.01)


def test_few_sentences_are_drawn_towards_ignoring_it() -> None:
    rows, gold = world(2, 3)
    spread = [max(column) - min(column) for column in zip(*fit_member(rows, gold, gold, 120, NAMES).matrix.rows, strict=True)]
    rows, gold = world(200, 3)
    more = [max(column) - min(column) for column in zip(*fit_member(rows, gold, gold, 12000, NAMES).matrix.rows, strict=True)]
    assert max(spread) < min(more)
    untried = fit_member([[]], [[]], [[]], 60, NAMES)
    assert untried.alone == pytest.approx((0.125,) * 4)
    assert [item.candidate for item in join_member(ROW, [], WHOLE, untried, "flat")] == ROW


def test_an_llm_that_errs_as_the_composite_does_is_trusted_less() -> None:
    rows, gold = world(300, 4)
    echo = [entities(row) for row in rows]
    independent = [knowing(0.7)(truth, random.Random(5)) for truth in gold]
    trusts = [fit_member(rows, said, gold, 18_000, NAMES).matrix.trust for said in (echo, independent)]
    assert trusts[0] < trusts[1]


def test_reliability_survives_its_dict_and_refuses_nonsense() -> None:
    fitted = replace(GOOD, matrix=replace(GOOD.matrix, trust=0.7))
    assert MemberReliability.from_dict(fitted.to_dict()) == fitted
    with pytest.raises(LlmError, match="alone"):
        MemberReliability.from_dict({**fitted.to_dict(), "alone": [0.1]})
    with pytest.raises(LlmError, match="alone_rate"):
        MemberReliability.from_dict({"matrix": fitted.matrix.to_dict(), "alone": []})
    with pytest.raises(LlmError, match="trust"):
        replace(GOOD.matrix, trust=-1.0)
    with pytest.raises(DataError, match="sentences"):
        fit_member([], [], [], 0, NAMES)


# The stage, over HTTP.


def run(server: ScriptedServer | str, labels: LabelSet, text: str = TEXT, row: Sequence[Candidate] = ROW, **given: Any) -> Any:
    given = {"stage": "member", "member": GOOD, "min_gain": 0.0, **given}
    cache, client = given.pop("cache", None), given.pop("client", {})
    with LlmStage(verifier(server, **client), labels, LlmSettings(**given), cache=cache) as stage:
        return stage.run([text], [row])[0], stage.report()


def test_the_stage_asks_once_a_sentence_and_says_who_decided(serve: Serve, labels: LabelSet) -> None:
    server = serve(chat("LOC: 叙利亚\nPER: 干扰机"))
    verified, report = run(server, labels)
    assert [(v.candidate.start, v.candidate.end, v.candidate.label, v.candidate.is_entity) for v in verified] == [
        (6, 9, "O", False),
        (10, 13, "LOC", True),
        (16, 19, "PER", True),
    ]
    russia, syria, jammer = (v.provenance for v in verified)
    assert (russia.llm_label, russia.member_label, russia.source, russia.fusion) == ("O", "O", "llm", "member")
    assert (syria.local_label, syria.llm_label, syria.status, syria.model) == ("O", "LOC", "asked", "served-model-v2")
    assert (jammer.local_label, jammer.llm_label, jammer.source) == ("O", "PER", "llm")
    assert len(server.requests) == report.calls == report.pieces_routed == 1


FAULTS = [
    problem(429),
    problem(400),
    problem(401),
    HANG,
    chat(""),
    chat("no idea"),
    chat("LOC: 德国"),
    chat("PER: 德国\nL", "length"),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_dead_or_lying_llm_costs_no_entity(fault: Reply, serve: Serve, labels: LabelSet) -> None:
    verified, _ = run(serve(fault), labels, client={"max_retries": 0, "timeout": 0.5})
    assert [v.candidate for v in verified] == ROW
    assert {v.provenance.llm_label for v in verified} == {None}
    assert all(v.provenance.failure is not None and v.provenance.llm_error for v in verified)


def test_an_answer_that_was_cut_counts_for_what_it_says_and_not_for_its_silence(serve: Serve, labels: LabelSet) -> None:
    verified, _ = run(serve(chat("LOC: 叙利亚\nPER: 干扰机\nL", "length")), labels)
    said = {v.candidate.start: v.provenance for v in verified}
    labelled = [(known.member_label, known.status) for known in said.values()]
    assert labelled == [(None, "unparsed"), ("LOC", "asked"), ("PER", "asked")]
    assert verified[0].candidate == RUSSIA
    assert said[6].llm_error == "the answer was cut at the token limit; the entities before the cut were read"
    assert (said[6].failure, said[10].llm_error, said[10].failure) == (FailureKind.UNREADABLE, None, None)


def test_no_server_no_loss(labels: LabelSet, refused: str) -> None:
    verified, _ = run(refused, labels, client={"max_retries": 0})
    assert [v.candidate for v in verified] == ROW
    assert verified[0].provenance.failure is FailureKind.UNREACHABLE
    with pytest.raises(LlmError, match="no connection"):
        run(refused, labels, client={"max_retries": 0}, on_llm_error="raise")


def test_only_sentences_worth_a_call_are_read_best_first(serve: Serve, labels: LabelSet) -> None:
    text = TEXT.replace("2023", "2022") + "今天天气很好，大家都出去玩了，没有什么可说的事情了。" + TEXT
    shifted = [replace(c, start=c.start + len(text) - len(TEXT), end=c.end + len(text) - len(TEXT)) for c in ROW]
    settings = LlmSettings(stage="member", member=GOOD, min_gain=0.35, min_context_chars=0, budget=Budget(calls=1))
    server = serve(chat("LOC: 俄罗斯"))
    with LlmStage(verifier(server), labels, settings) as stage:
        plan = stage.plan([text], [[RUSSIA, *shifted]])
        assert [(call.piece.start, call.piece.end) for call in plan.pieces] == [(len(text) - len(TEXT), len(text))]
        assert [(piece.start, piece.end) for piece in plan.pieces_over_budget] == [(0, len(TEXT))]
        assert "1 sentences in 1 calls" in str(plan)
        assert (plan.usage.calls, server.requests) == (1, [])
        stage.run([text], [[RUSSIA, *shifted]])
    assert len(server.requests) == 1
    assert "今天" not in server.asked()[0]


def test_offsets_are_those_of_the_text(serve: Serve, labels: LabelSet) -> None:
    text = "今天天气很好。" + TEXT
    verified, _ = run(serve(chat("LOC: 叙利亚")), labels, text, [], min_context_chars=0)
    assert {text[v.candidate.start : v.candidate.end] for v in verified if v.candidate.is_entity} == {"叙利亚"}


def test_both_asks_only_about_what_is_still_in_doubt(serve: Serve, labels: LabelSet) -> None:
    def script(body: dict[str, Any], _: int) -> Reply:
        asked = body["messages"][1]["content"]
        return chat("PER") if "Target Span" in asked else chat("LOC: 俄罗斯")

    server = serve(script)
    weak = MemberReliability(ConfusionMatrix.from_accuracy(0.75, NAMES), GOOD.alone, GOOD.alone_rate)
    row = [RUSSIA, candidate(10, 13, "O", 0.3, u=0.7)]
    verified, report = run(server, labels, row=row, stage="both", member=weak, accuracy=0.95, threshold=0.15)
    russia, syria = verified
    # The LLM's vote settled the one, and the other was asked about.
    assert (russia.candidate.label, russia.provenance.fusion, russia.provenance.member_label) == ("LOC", "member", "LOC")
    assert (syria.provenance.member_label, syria.provenance.llm_label, syria.provenance.fusion) == ("O", "PER", "bayes")
    assert (report.calls, report.pieces_routed, report.spans_routed) == (2, 1, 1)
    both = LlmSettings(stage="both", member=weak, min_gain=0.0, threshold=0.2)
    with LlmStage(verifier(server), labels, both) as stage:
        plan = stage.plan([TEXT], [row])
    assert (len(plan.pieces), len(plan.calls)) == (1, 1)


def test_votes_as_a_member_are_repeated_from_the_cache(serve: Serve, labels: LabelSet, tmp_path: Any) -> None:
    server = serve(chat("LOC: 叙利亚"))
    first, report = run(server, labels, cache=AnswerCache(tmp_path / "a.sqlite"))
    again, repeated = run("http://127.0.0.1:9/v1", labels, cache=AnswerCache(tmp_path / "a.sqlite", "replay"))
    assert [v.candidate for v in again] == [v.candidate for v in first]
    assert {v.provenance.status for v in again} == {"cached"}
    assert repeated.prompt_tokens == report.prompt_tokens


def test_reliability_for_other_labels_is_refused(labels: LabelSet) -> None:
    other = MemberReliability.from_accuracy(0.8, ("O", "X"))
    with pytest.raises(LlmError, match="other labels"):
        LlmStage(verifier("http://127.0.0.1:9/v1"), labels, LlmSettings(member=other))
