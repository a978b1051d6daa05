"""The pipeline with an LLM behind it: a real HTTP server on loopback answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridner import HybridNerModel, HybridNerPipeline
from hybridner.errors import HybridNerError, ModelError
from hybridner.hybrid import ExampleIndex
from hybridner.llm import LlmError, OpenAIVerifier
from tests.llm.scripted_server import HTML_502, KEY, Reply, ScriptedServer, chat, problem
from tests.support.patience import PATIENCE
from tests.support.tiny import TEXT, small_records

PROVENANCE = {"local_label", "llm_label", "llm_score", "llm_status", "llm_model", "fusion", "llm_error", "llm_failure"}
TEXTS = [TEXT, TEXT[6:30], ""]


@pytest.fixture
def answers() -> list[Reply]:
    """What the server says: always the one reply in here."""
    return [chat("State")]


@pytest.fixture
def server(answers: list[Reply]) -> Iterator[ScriptedServer]:
    running = ScriptedServer(lambda body, number: answers[0])
    yield running
    running.stop()


@pytest.fixture
def pipe(composite: HybridNerModel) -> HybridNerPipeline:
    return HybridNerPipeline(composite, device="cpu")


def settings(server: ScriptedServer, **more: object) -> dict:
    return {"model": "some-model", "base_url": server.url, "api_key": KEY, "timeout": PATIENCE, "max_retries": 0, **more}


def spans(entities: list[dict]) -> list[tuple[int, int, str]]:
    return [(e["start"], e["end"], e["entity_group"]) for e in entities]


def test_what_the_llm_says_of_a_doubtful_span_stands_with_replace(pipe: HybridNerPipeline, server: ScriptedServer) -> None:
    options = {
        "llm": settings(server),
        "threshold": 0.6,
        "llm_settings": {"fusion": "replace", "kinds": ("entity",), "spans_per_call": 1},
    }
    local, results = pipe(TEXTS, threshold=0.6), pipe(TEXTS, **options)
    asked = 0
    for text, entities in zip(TEXTS, results, strict=True):
        for entity in entities:
            assert set(entity) >= PROVENANCE
            assert text[entity["start"] : entity["end"]] == entity["word"]
            if entity["uncertainty"] > 0.6:
                asked += 1
                assert entity["entity_group"] == entity["llm_label"] == "State"
                assert (entity["source"], entity["fusion"], entity["needs_review"]) == ("llm", "replace", False)
                assert entity["llm_status"] in ("asked", "cached")
                assert entity["llm_model"] == "served-model-v2"
            else:
                assert (entity["source"], entity["llm_status"], entity["llm_label"]) == ("local", "local", None)
    doubtful = sum(entity["needs_review"] for entities in local for entity in entities)
    assert 0 < asked <= len(server.requests)
    assert doubtful == len(server.requests)
    assert pipe.llm_report.to_dict()
    json.dumps(results)


def test_non_entity_deletes(pipe: HybridNerPipeline, server: ScriptedServer, answers: list[Reply]) -> None:
    answers[0] = chat("Non-Entity")
    options = {"threshold": 0.0, "llm_settings": {"fusion": "replace"}}
    assert pipe(TEXT)
    assert pipe(TEXT, llm=settings(server), **options) == []


@pytest.mark.parametrize("reply", [problem(500), problem(401), HTML_502, Reply(how="drop"), chat(""), chat("香蕉")])
def test_whatever_goes_wrong_the_local_entities_come_back(
    pipe: HybridNerPipeline, server: ScriptedServer, answers: list[Reply], reply: Reply
) -> None:
    answers[0] = reply
    local = pipe(TEXTS, threshold=0.6)
    results = pipe(TEXTS, threshold=0.6, llm=settings(server))
    assert [spans(entities) for entities in results] == [spans(entities) for entities in local]
    doubtful = [entity for entities in results for entity in entities if entity["uncertainty"] > 0.6]
    assert doubtful
    for entity in doubtful:
        assert (entity["source"], entity["needs_review"]) == ("local", True)
        assert entity["llm_error"]
        assert KEY not in json.dumps(entity)
    with pytest.raises(LlmError):
        pipe(
            TEXTS,
            threshold=0.6,
            llm=settings(server, base_url="http://127.0.0.1:9/v1"),
            llm_settings={"on_llm_error": "raise"},
        )


def test_answers_are_kept(pipe: HybridNerPipeline, server: ScriptedServer, tmp_path: Path) -> None:
    options = {"threshold": 0.6, "llm_cache": tmp_path / "answers.sqlite"}
    first = pipe(TEXTS, llm=settings(server), **options)
    calls = len(server.requests)
    second = pipe(TEXTS, llm=settings(server), **options)
    assert len(server.requests) == calls > 0
    assert [spans(entities) for entities in first] == [spans(entities) for entities in second]
    assert {e["llm_status"] for entities in second for e in entities} <= {"local", "cached"}
    assert KEY.encode() not in (tmp_path / "answers.sqlite").read_bytes()


def test_the_llm_is_shown_the_most_similar_labelled_spans(
    pipe: HybridNerPipeline, composite: HybridNerModel, server: ScriptedServer, tmp_path: Path
) -> None:
    records = small_records()
    ExampleIndex.build(composite, records).save(tmp_path / "examples.parquet")
    options = {"llm": settings(server), "threshold": 0.6, "llm_examples": tmp_path / "examples.parquet"}
    text = records[0].text
    pipe(text, **options, llm_settings={"examples_per_span": 2, "min_context_chars": 0, "spans_per_call": 1})
    assert server.requests
    for prompt in server.asked():
        *examples, question = prompt.split("Sentence: “")[1:]
        assert len(examples) == 2
        assert question.replace("[", "").replace("]", "").startswith(text)
        for example in examples:
            # Never the sentence itself, in which the answer would stand.
            assert not example.replace("[", "").replace("]", "").startswith(text)
            assert any(f"Category: {label}" in example for label in (*composite.config.labels.names, "Non-Entity"))
    asked = server.asked()
    server.requests.clear()
    pipe(text, **options, llm_settings={"examples_per_span": 0, "min_context_chars": 0, "spans_per_call": 1})
    assert sorted(server.asked()) == sorted("Sentence: “" + prompt.split("Sentence: “")[-1] for prompt in asked)
    more = pipe([text], **options, llm_settings={"spans_per_call": 1}, dry_run=True)
    fewer = pipe([text], **options, llm_settings={"examples_per_span": 0, "spans_per_call": 1}, dry_run=True)
    assert more.usage.prompt_tokens > fewer.usage.prompt_tokens
    with pytest.raises(ModelError, match="llm_examples must be"):
        pipe(text, llm=settings(server), llm_examples=5)


def test_a_dry_run_asks_nobody_and_counts(pipe: HybridNerPipeline, server: ScriptedServer) -> None:
    options = {"llm": settings(server), "threshold": 0.6, "llm_settings": {"spans_per_call": 1}}
    plan = pipe(TEXTS, **options, dry_run=True)
    assert server.requests == []
    pipe(TEXTS, **options)
    assert plan.usage.calls == len(server.requests) > 0
    with pytest.raises(ModelError, match="needs `llm`"):
        pipe(TEXTS, dry_run=True)


def test_a_verifier_serves_many_calls(pipe: HybridNerPipeline, server: ScriptedServer) -> None:
    verifier = OpenAIVerifier("some-model", server.url, KEY)
    others = set(threading.enumerate())
    assert spans(pipe(TEXT, llm=verifier, threshold=0.6)) == spans(pipe(TEXT, llm=verifier, threshold=0.6))
    assert not [thread for thread in set(threading.enumerate()) - others if thread.name == "hybridner-llm"]


def test_the_next_texts_are_read_while_answers_come_in(composite: HybridNerModel) -> None:
    """The server answers the first chunk's questions only once the model has begun to read the second chunk."""
    second_chunk_read = threading.Event()

    def script(body: dict, number: int) -> Reply:
        assert second_chunk_read.wait(PATIENCE), "nothing was read while the LLM was thinking"
        return chat("State")

    server = ScriptedServer(script)
    try:
        pipe = HybridNerPipeline(composite, device="cpu", llm=settings(server), threshold=0.6)
        read = 0

        def texts() -> Iterator[str]:
            nonlocal read
            for _ in range(40):
                read += 1
                if read > 20:
                    second_chunk_read.set()
                yield TEXT[:24]

        results = list(pipe(texts(), batch_size=1))
    finally:
        server.stop()
    assert len(results) == 40
    assert {e["llm_status"] for entities in results for e in entities if e["uncertainty"] > 0.6} <= {"asked", "cached"}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"llm": 5}, "`llm` must be"),
        ({"llm": {"modle": "x"}}, "modle"),
        ({"llm": "x", "llm_settings": {"fusion": "mix"}}, "fusion"),
        ({"llm": "x", "llm_settings": {"treshold": 0.1}}, "no field 'treshold'"),
        ({"llm": "x", "llm_settings": {"threshold": 0.1}}, "parameters of the pipeline itself"),
    ],
)
def test_settings_that_cannot_work_are_named(
    pipe: HybridNerPipeline, options: dict, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(HybridNerError, match=problem):
        pipe(TEXT, **options)


def test_as_a_member_the_llm_is_shown_whole_sentences(pipe: HybridNerPipeline, server: ScriptedServer) -> None:
    index = ExampleIndex.build(pipe.model, small_records())
    how = {"stage": "member", "min_gain": 0.0, "min_context_chars": 0, "examples_per_span": 2}
    pipe(TEXT, llm=settings(server), llm_settings=how, llm_examples=index)
    assert server.requests
    for content in server.asked():
        assert content.count("Sentence:") == 3
        assert "Place: " in content
