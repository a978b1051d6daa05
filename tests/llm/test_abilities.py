"""What servers can do is found out once, made use of, and never costs an answer where it is not so."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridner.llm import AnswerCache, ConfusionMatrix, LlmSettings, LlmStage, VerifiedCandidate
from hybridner.llm.constraints import Abilities, constraint_fields
from hybridner.llm.fusion import fuse_bayes
from hybridner.llm.logprobs import Token, option_probabilities
from hybridner.spans import LabelSet
from tests.llm.scripted_server import HANG, Reply, ScriptedServer, candidate, chat, problem, verifier

Serve = Callable[[Any], ScriptedServer]
TEXT = "2023年，俄罗斯在叙利亚部署了干扰机。"
ROW = [candidate(6, 9, "LOC", 0.6, u=0.5), candidate(10, 13, "O", 0.6, u=0.4, votes={"a": "LOC", "b": "O"})]
OPTIONS = ("LOC", "PER", "ORG", "Non-Entity")


class Server:
    """A server with some abilities, whose model wants to say something else than a label.

    Args:
        knows: the constraints it keeps to.
        logprobs: whether it gives log-probabilities.
        is_strict: whether it refuses fields that it does not know.
    """

    def __init__(self, *knows: str, logprobs: bool = False, is_strict: bool = False) -> None:
        self.knows, self.logprobs, self.is_strict = knows, logprobs, is_strict

    def __call__(self, body: dict[str, Any], _: int) -> Reply:
        known = {"model", "messages", "temperature", "top_p", "max_tokens", *(("logprobs", "top_logprobs") * self.logprobs)}
        fields = {
            "choice": ("guided_choice", "structured_outputs", "guided_grammar"),
            "grammar": ("grammar",),
            "json_schema": ("response_format",),
        }
        for name in self.knows:
            known |= set(fields[name])
        if self.is_strict and body.keys() - known:
            return problem(400, f"Unrecognized request argument: {min(body.keys() - known)}")
        content = self.content(body)
        tokens = [{"token": content, "logprob": math.log(0.7), "bytes": None, "top_logprobs": self.alternatives(content)}]
        choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        if self.logprobs and body.get("logprobs"):
            choice["logprobs"] = {"content": tokens}
        return chat(content, choices=[choice])

    def content(self, body: dict[str, Any]) -> str:
        if "choice" in self.knows and "guided_choice" in body:
            return str(body["guided_choice"][0])
        if "grammar" in self.knows and "grammar" in body:
            first = body["grammar"].split("label ::= ")[1].split(" | ")[0]
            lines = body["grammar"].split("\n")[0].count(": ")
            return "\n".join(f"{number}: {json.loads(first)}" for number in range(1, lines + 1)) or str(json.loads(first))
        if "json_schema" in self.knows and "response_format" in body:
            schema = body["response_format"]["json_schema"]["schema"]
            return json.dumps({key: value["enum"][0] for key, value in schema["properties"].items()})
        return "banana" if "banana" in body["messages"][-1]["content"] else "LOC"

    def alternatives(self, content: str) -> list[dict[str, Any]]:
        return [{"token": content, "logprob": math.log(0.7)}, {"token": "PER", "logprob": math.log(0.2)}]


def run(
    server: ScriptedServer, labels: LabelSet, cache: AnswerCache | None = None, text: str = TEXT, **given: Any
) -> list[VerifiedCandidate]:
    given = {"spans_per_call": 1, "fusion": "bayes", **given}
    client = verifier(server, probe=True, max_retries=0)
    with LlmStage(client, labels, LlmSettings(**given), cache=cache) as stage:
        return stage.run([text], [ROW])[0]


@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize("knows", ["choice", "grammar", "json_schema", None])
@pytest.mark.parametrize("spans_per_call", [1, 4])
def test_every_server_answers_and_is_held_to_the_list_as_it_can_be(
    knows: str | None, is_strict: bool, spans_per_call: int, serve: Serve, labels: LabelSet
) -> None:
    if spans_per_call > 1 and knows in (None, "choice"):
        return  # the scripted server knows only the single form then
    server = serve(Server(*([knows] if knows else []), is_strict=is_strict))
    verified = run(server, labels, spans_per_call=spans_per_call)
    assert [v.provenance.llm_label for v in verified] == ["LOC", "LOC"]
    assert {v.provenance.features for v in verified} == {(knows,) if knows else ()}
    questions = [body for body in server.requests if "banana" not in body["messages"][-1]["content"]]
    # None of the questions failed, nor was one asked twice.
    assert len(questions) == (2 if spans_per_call == 1 else 1)
    assert len(server.requests) - len(questions) <= 4


def test_log_probabilities_become_the_answers_confidence(serve: Serve, labels: LabelSet) -> None:
    server = serve(Server("grammar", logprobs=True))
    russia = run(server, labels, accuracy=0.9)[0]
    assert russia.provenance.features == ("grammar", "logprobs")
    assert russia.provenance.llm_score == pytest.approx(0.7 / 0.9)
    matrix = ConfusionMatrix.from_accuracy(0.9, labels.with_outside)
    confidence = (0.0, 0.7 / 0.9, 0.2 / 0.9, 0.0)
    expected = fuse_bayes(ROW[0].distribution, 1, 1, matrix, confidence).distribution
    assert russia.candidate.distribution == pytest.approx(expected)
    # An open answer moves less than a bare one.
    assert russia.candidate.score < fuse_bayes(ROW[0].distribution, 1, 1, matrix).distribution[1]


def test_what_was_found_is_remembered(serve: Serve, labels: LabelSet, tmp_path: Any) -> None:
    server = serve(Server("json_schema", is_strict=True))
    path = tmp_path / "a.sqlite"
    run(server, labels, AnswerCache(path))
    probes = len(server.requests) - 2
    assert probes == 4
    run(server, labels, AnswerCache(path), TEXT.replace("2023", "2024"))
    assert len(server.requests) == probes + 4
    assert "response_format" in server.requests[-1]
    # A replay needs neither a server nor what is known of it.
    again = run(server, labels, AnswerCache(path, "replay"))
    assert [v.provenance.features for v in again] == [("json_schema",)] * 2
    assert len(server.requests) == probes + 4


def test_finding_out_is_in_the_plan_and_in_the_report(serve: Serve, labels: LabelSet, tmp_path: Any) -> None:
    server = serve(Server())
    cache = AnswerCache(tmp_path / "a.sqlite")
    with LlmStage(verifier(server, probe=True), labels, LlmSettings(spans_per_call=1), cache=cache) as stage:
        plan = stage.plan([TEXT], [ROW])
        assert (plan.probe.calls, plan.usage.calls, server.requests) == (4, 6, [])
        stage.run([TEXT], [ROW])
        assert stage.report().prompt_tokens == 100 * len(server.requests) == 600
        assert stage.plan([TEXT.replace("2023", "2024")], [ROW]).probe.calls == 0
    with LlmStage(verifier(server), labels, LlmSettings(spans_per_call=1)) as stage:
        assert stage.plan([TEXT], [ROW]).probe.calls == 0


def test_a_server_that_takes_a_field_back_costs_no_answer(serve: Serve, labels: LabelSet) -> None:
    """It knew grammars when it was probed, and refuses them now."""
    now = Server("grammar")
    server = serve(lambda body, number: now(body, number))
    client = verifier(server, probe=True, max_retries=0)
    with LlmStage(client, labels, LlmSettings(spans_per_call=1)) as stage:
        stage.run([TEXT], [ROW])
        now = Server(is_strict=True)
        verified = stage.run([TEXT.replace("2023", "2024")], [ROW])[0]
        assert [v.provenance.llm_label for v in verified] == ["LOC", "LOC"]
        before = len(server.requests)
        stage.run([TEXT.replace("2023", "2025")], [ROW])
    assert len(server.requests) == before + 2  # nothing that it refuses is sent any more


@pytest.mark.parametrize("fault", [problem(401), problem(503), HANG])
def test_a_dead_server_stays_a_dead_server(fault: Reply, serve: Serve, labels: LabelSet) -> None:
    server = serve(fault)
    client = verifier(server, probe=True, max_retries=0, timeout=0.5)
    with LlmStage(client, labels, LlmSettings(spans_per_call=1)) as stage:
        verified = stage.run([TEXT], [ROW])[0]
    assert [v.candidate for v in verified] == ROW
    assert {v.provenance.status for v in verified} == {"failed"}


def test_two_prompts_agreement_is_the_confidence(serve: Serve, labels: LabelSet) -> None:
    def script(body: dict[str, Any], _: int) -> Reply:
        system = body["messages"][0]["content"]
        is_first = system.index("LOC") < system.index("ORG")
        return chat("LOC" if is_first or "“俄罗斯”" in body["messages"][1]["content"] else "PER")

    server = serve(script)
    with LlmStage(verifier(server), labels, LlmSettings(votes=2, spans_per_call=1)) as stage:
        plan = stage.plan([TEXT], [ROW])
        agreed, open_ = stage.run([TEXT], [ROW])[0]
    assert (plan.usage.calls, len(server.requests)) == (4, 4)
    assert "2 spans in 4 calls" in str(plan)
    assert (agreed.provenance.llm_label, agreed.provenance.llm_score) == ("LOC", 1.0)
    assert (open_.provenance.llm_label, open_.provenance.llm_score) == ("LOC", 0.5)
    assert agreed.provenance.features == ("votes",)
    matrix = ConfusionMatrix.from_accuracy(0.8, labels.with_outside)
    expected = fuse_bayes(ROW[1].distribution, 0, 1, matrix, (0.0, 0.5, 0.5, 0.0)).distribution
    assert open_.candidate.distribution == pytest.approx(expected)


def test_one_prompt_without_an_answer_leaves_the_others(serve: Serve, labels: LabelSet) -> None:
    def script(body: dict[str, Any], _: int) -> Reply:
        system = body["messages"][0]["content"]
        return chat("LOC") if system.index("LOC") < system.index("ORG") else problem(400)

    with LlmStage(verifier(serve(script)), labels, LlmSettings(votes=2, spans_per_call=1)) as stage:
        verified = stage.run([TEXT], [ROW])[0]
    assert [(v.provenance.llm_label, v.provenance.status) for v in verified] == [("LOC", "asked")] * 2


def token(text: str, p: float, *others: tuple[str, float]) -> Token:
    return Token(text, math.log(p), ((text, math.log(p)), *((other, math.log(q)) for other, q in others)))


def test_probabilities_of_labels_of_several_tokens() -> None:
    options = ("position", "person", "place", "Non-Entity")
    tokens = [token(" p", 0.8, ("Non", 0.2)), token("os", 0.5, ("er", 0.3), ("lace", 0.1), ("x", 0.1)), token("ition", 1.0)]
    (row,) = option_probabilities(tokens, options, 1)
    whole = 0.8 * (0.5 + 0.3 + 0.1) + 0.2
    assert row == pytest.approx((0.4 / whole, 0.24 / whole, 0.08 / whole, 0.2 / whole))


def test_probabilities_in_answers_about_several_spans() -> None:
    lines = [
        token("1", 1.0),
        token(":", 1.0),
        token(" LOC", 0.6, (" PER", 0.4)),
        token("\n2: ", 1.0),
        token("ORG", 0.9, ("LOC", 0.1)),
    ]
    assert option_probabilities(lines, OPTIONS, 2) == (
        pytest.approx((0.6, 0.4, 0.0, 0.0)),
        pytest.approx((0.1, 0.0, 0.9, 0.0)),
    )
    as_json = [
        token('{"1": "', 1.0),
        token("PER", 0.5, ("ORG", 0.5)),
        token('", "2": "', 1.0),
        token("Non-Entity", 1.0),
        token('"}', 1.0),
    ]
    assert option_probabilities(as_json, OPTIONS, 2) == (
        pytest.approx((0.0, 0.5, 0.5, 0.0)),
        pytest.approx((0.0, 0.0, 0.0, 1.0)),
    )
    assert option_probabilities([token("dunno", 1.0)], OPTIONS, 1) == ((),)
    assert option_probabilities([], OPTIONS, 1) == ()


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_probabilities_are_those_of_a_model_over_the_list(data: st.DataObject) -> None:
    """A model that writes options character by character: its exact probabilities come out whichever it writes."""
    options = tuple(data.draw(st.lists(st.text("abc", min_size=1, max_size=4), min_size=2, max_size=5, unique=True)))
    options = tuple(option + "." for option in options)  # none is the beginning of another
    weights = data.draw(st.lists(st.integers(1, 9), min_size=len(options), max_size=len(options)))
    chosen = data.draw(st.sampled_from(options))
    tokens = []
    for position, character in enumerate(chosen):
        alive = [
            (option, weight) for option, weight in zip(options, weights, strict=True) if option[:position] == chosen[:position]
        ]
        total = sum(weight for _, weight in alive)
        mass: dict[str, float] = {}
        for option, weight in alive:
            mass[option[position]] = mass.get(option[position], 0.0) + weight / total
        tokens.append(token(character, mass[character], *((c, p) for c, p in mass.items() if c != character)))
    (row,) = option_probabilities(tokens, options, 1)
    assert sum(row) == pytest.approx(1.0)
    assert row[options.index(chosen)] == pytest.approx(weights[options.index(chosen)] / sum(weights))


def test_constraints_allow_the_options_and_nothing_else() -> None:
    schema = constraint_fields("json_schema", OPTIONS, 2)["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["1", "2"]
    assert schema["properties"]["1"]["enum"] == list(OPTIONS)
    assert constraint_fields("choice", OPTIONS, 1)["guided_choice"] == list(OPTIONS)
    grammar = constraint_fields("grammar", ('say "hi"', "b"), 2)["grammar"]
    assert grammar == 'root ::= "1: " label "\\n" "2: " label\nlabel ::= "say \\"hi\\"" | "b"'


def test_what_is_remembered_survives_its_text_and_nonsense_is_nothing() -> None:
    known = Abilities(True, "grammar")
    assert Abilities.from_json(known.to_json()) == known
    for text in ("", "[]", "{}", '{"logprobs": true, "constraint": "magic"}'):
        assert Abilities.from_json(text) is None
