"""Entities from definitions alone: a real HTTP server on loopback is the LLM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import pipeline

import hybridner
from hybridner.data import write_jsonl
from hybridner.errors import DataError, InputError, LlmError, ModelError
from hybridner.llm import Plan
from hybridner.pipeline.definitions import DefinitionsPipeline
from hybridner.spans import Label, LabelSet
from tests.llm.scripted_server import KEY, Reply, ScriptedServer, chat, problem
from tests.support.patience import PATIENCE
from tests.support.tiny import small_records

TEXT = "俄罗斯在叙利亚部署了干扰机。"
LABELS = ["国家", "武器"]
ANSWER = "国家: 俄罗斯\n武器: 干扰机\n武器: 导弹"


@pytest.fixture
def answers() -> list[Reply]:
    return [chat(ANSWER)]


@pytest.fixture
def server(answers: list[Reply]) -> Iterator[ScriptedServer]:
    running = ScriptedServer(lambda body, number: answers[min(number, len(answers) - 1)])
    yield running
    running.stop()


@pytest.fixture
def llm(server: ScriptedServer) -> dict:
    return {"model": "some-model", "base_url": server.url, "api_key": KEY, "timeout": PATIENCE, "max_retries": 0}


def spans(entities: list[dict]) -> list[tuple]:
    return [(e["start"], e["end"], e["entity_group"], e["word"]) for e in entities]


FOUND = [(0, 3, "国家", "俄罗斯"), (10, 13, "武器", "干扰机")]


def test_the_pipeline_needs_nothing_but_labels_and_an_llm(llm: dict, server: ScriptedServer) -> None:
    ner = pipeline("hybrid-ner", labels=LABELS, llm=llm)
    assert isinstance(ner, DefinitionsPipeline)
    entities = ner(TEXT)
    assert spans(entities) == FOUND
    assert all((e["source"], e["score"], e["votes"], e["needs_review"]) == ("llm", 0.8, {}, False) for e in entities)
    assert (ner.counts.unfound, ner.counts.altered, ner.counts.unanswered) == (1, 0, 0)
    assert ner.llm_report is not None
    assert ner.llm_report.calls == 1
    assert "国家" in server.requests[0]["messages"][0]["content"]


def test_lists_streams_and_items_that_are_no_text(llm: dict) -> None:
    ner = pipeline("hybrid-ner", labels=LABELS, llm=llm)
    assert [spans(found) for found in ner([TEXT, "", TEXT[4:]])] == [FOUND, [], [(6, 9, "武器", "干扰机")]]
    stream = ner(text for text in [TEXT] * 3)
    assert not isinstance(stream, list)
    assert [spans(found) for found in stream] == [FOUND] * 3
    with pytest.warns(UserWarning, match="item 1 is int"):
        assert [spans(found) for found in ner([TEXT, 7])] == [FOUND, []]
    with pytest.raises(InputError, match="not bytes"):
        ner(TEXT.encode())


def test_long_texts_are_asked_about_in_pieces_with_offsets_of_the_whole(llm: dict, server: ScriptedServer) -> None:
    ner = pipeline("hybrid-ner", labels=LABELS, llm=llm, llm_settings={"max_context_chars": 40})
    (entities,) = ner([TEXT * 7])
    assert len(server.requests) == 2, "the same piece is asked about once"
    # Of words that come twice in a piece only as many are entities as the answer lists.
    starts = (0, 28, 56, 84)
    assert spans(entities) == [(s + start, e + start, label, word) for start in starts for s, e, label, word in FOUND]


def test_what_was_answered_before_costs_nothing(llm: dict, server: ScriptedServer, tmp_path: Path) -> None:
    for _ in range(2):
        ner = pipeline("hybrid-ner", labels=LABELS, llm=llm, llm_cache=tmp_path / "answers.sqlite")
        assert spans(ner(TEXT)) == FOUND
    assert len(server.requests) == 1
    plan = ner([TEXT, "别的话。"], dry_run=True)
    assert isinstance(plan, Plan)
    assert (plan.usage.calls, [call.cached for call in plan.pieces]) == (1, [True, False])
    assert "1 calls (and 1 without one)" in str(plan)
    assert len(server.requests) == 1


def test_the_budget_holds_and_says_so(llm: dict, server: ScriptedServer) -> None:
    ner = pipeline("hybrid-ner", labels=LABELS, llm=llm, llm_settings={"budget": {"calls": 2}})
    texts = [TEXT, TEXT[:-1] + "！", TEXT[:-1] + "？"]
    assert len(ner(texts, dry_run=True).pieces_over_budget) == 1
    with pytest.warns(UserWarning, match="1 texts were not answered in whole: not asked: the budget is used up"):
        found = ner(texts)
    assert [spans(entities) for entities in found] == [FOUND, FOUND, []]
    assert len(server.requests) == 2
    assert ner.counts.unanswered == 1


def test_a_dead_llm_is_said_to_be_dead(llm: dict, answers: list[Reply]) -> None:
    answers[:] = [problem(401, "no such key")]
    ner = pipeline("hybrid-ner", labels=LABELS, llm={**llm, "concurrency": 1})
    with pytest.warns(UserWarning, match="2 texts were not answered"):
        assert ner([TEXT, TEXT + "啊"]) == [[], []]
    with pytest.raises(LlmError, match="did not answer about all texts"):
        ner(TEXT, llm_settings={"on_llm_error": "raise"})


def test_labels_in_every_form(llm: dict, server: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "labels.yaml"
    path.write_text("domain: 军事\nlabels: [{name: 国家, description: 有主权的国家}, 武器]\n", encoding="utf-8")
    whole = LabelSet((Label("国家", description="有主权的国家"), Label("武器")), "军事")
    for labels in (path, str(path), whole, whole.to_dict()):
        assert pipeline("hybrid-ner", labels=labels, llm=llm).labels == whole
    assert pipeline("hybrid-ner", labels="msra", llm=llm).labels.names == ("LOC", "ORG", "PER")
    pipeline("hybrid-ner", labels=path, llm=llm)(TEXT)
    assert "有主权的国家" in server.requests[-1]["messages"][0]["content"]
    for wrong in (7, [], tmp_path / "none.yaml", ["O"]):
        with pytest.raises(DataError):
            pipeline("hybrid-ner", labels=wrong, llm=llm)


def test_examples_and_guidelines_are_shown(llm: dict, server: ScriptedServer, tmp_path: Path) -> None:
    write_jsonl(small_records(), tmp_path / "few.jsonl")
    (tmp_path / "guidelines.txt").write_text("[zh]\n军衔不标。\n[en]\nNo ranks.\n", encoding="utf-8")
    settings = {"guidelines": str(tmp_path / "guidelines.txt"), "template": "zh"}
    ner = pipeline("hybrid-ner", labels=LABELS, llm=llm, llm_settings=settings, llm_examples=tmp_path / "few.jsonl")
    ner(TEXT)
    system, user = (message["content"] for message in server.requests[0]["messages"])
    assert system.endswith("军衔不标。")
    assert "Place: 叙利亚" in user
    assert user.endswith(f"句子：“{TEXT}”\n实体：")


def test_what_does_not_go_together_is_refused(composite: object, llm: dict) -> None:
    with pytest.raises(ModelError, match="either a model or labels"):
        hybridner.HybridNerPipeline(composite, labels=LABELS, llm=llm)
    with pytest.raises(ModelError, match="unknown parameter 'threshold'"):
        pipeline("hybrid-ner", labels=LABELS, llm=llm, threshold=0.3)
    with pytest.raises(ModelError, match="say with `llm`"):
        pipeline("hybrid-ner", labels=LABELS)(TEXT)
