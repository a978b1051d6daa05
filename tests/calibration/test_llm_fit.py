"""How far an LLM is to be trusted is asked of labelled sentences, kept in the composite, and used by the pipeline."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hybridner.calibration import LlmCalibration
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.ensemble import FixedThreshold
from hybridner.errors import DataError, LlmError
from hybridner.hybrid import ExampleIndex, HybridNerModel, predict_records
from hybridner.llm import AnswerCache, MemberReliability
from hybridner.pipeline import HybridNerPipeline
from tests.llm.scripted_server import Reply, ScriptedServer, chat, problem, verifier
from tests.support.tiny import small_records

RECORDS = small_records()
GOLD = {record.text: record.entities for record in RECORDS}


def knowing(body: dict[str, Any], _: int) -> Reply:
    """Knows gold: lists a sentence's entities, or gives the label of the span that is asked about."""
    asked = body["messages"][1]["content"]
    sentence = asked.split("Sentence: “")[-1].split("”\n")[0].replace("[", "").replace("]", "")
    entities = GOLD[sentence]
    if "Target Span" in asked:
        words = asked.split("Target Span: “")[-1].split("”")[0]
        return chat(next((s.label for s in entities if sentence[s.start : s.end] == words), "Non-Entity"))
    return chat("\n".join(f"{s.label}: {sentence[s.start : s.end]}" for s in entities) or "Non-Entity")


@pytest.fixture
def own(composite: HybridNerModel) -> HybridNerModel:
    """A composite that the test may change."""
    return copy.deepcopy(composite)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    running = ScriptedServer(knowing)
    yield running
    running.stop()


def test_fitted_reliability_is_used_by_the_pipeline(own: HybridNerModel, server: ScriptedServer, tmp_path: Path) -> None:
    predictions = predict_records(own, RECORDS)
    settings = {"stage": "both", "min_context_chars": 0, "spans_per_call": 1}
    cache = AnswerCache(tmp_path / "a.sqlite")
    calibration = LlmCalibration(own, predictions, verifier(server), settings, 50, cache)
    plan = calibration.plan()
    assert (len(plan.pieces), server.requests) == (len(RECORDS), [])
    report = calibration.fit()
    assert report["member"]["found"] == report["member"]["right"] == report["member"]["gold"]
    assert report["verify"]["right"] == report["verify"]["spans"]
    asked = len(server.requests)
    calibration.fit()
    assert len(server.requests) == asked

    own.save_pretrained(tmp_path / "model")
    loaded = HybridNerModel.from_pretrained(tmp_path / "model")
    fitted = MemberReliability.from_dict(loaded.config.llm_reliability["some-model"]["member"])
    assert fitted.matrix.rows[1][1] > 0.6
    llm = {"model": "some-model", "base_url": server.url, "api_key": "none"}
    options = {"llm": llm, "llm_settings": {**settings, "stage": "member", "min_gain": 0.0}}
    found = HybridNerPipeline(loaded)([record.text for record in RECORDS], **options)
    right = sum(
        (entity["start"], entity["end"], entity["entity_group"]) in {tuple(span) for span in record.entities}
        for record, row in zip(RECORDS, found, strict=True)
        for entity in row
    )
    before = HybridNerPipeline(loaded)([record.text for record in RECORDS])
    assert right > 0.9 * sum(len(record.entities) for record in RECORDS)
    assert right >= sum(
        (entity["start"], entity["end"], entity["entity_group"]) in {tuple(span) for span in record.entities}
        for record, row in zip(RECORDS, before, strict=True)
        for entity in row
    )
    assert all(entity["member_label"] is not None for row in found for entity in row)


def test_an_llm_without_answers_fits_nothing(own: HybridNerModel) -> None:
    server = ScriptedServer(lambda *_: problem(400, "no such thing"))
    try:
        predictions = predict_records(own, RECORDS)
        calibration = LlmCalibration(own, predictions, verifier(server, max_retries=0), {"stage": "member"}, 3)
        with pytest.raises(DataError, match="no such thing"):
            calibration.fit()
        assert own.config.llm_reliability is None
    finally:
        server.stop()
    with pytest.raises(DataError, match="no sentence"):
        LlmCalibration(own, predictions, verifier("http://127.0.0.1:9/v1"), {}, 0)


def test_questions_show_examples_but_never_their_own_sentence(
    own: HybridNerModel, server: ScriptedServer, tmp_path: Path
) -> None:
    path = tmp_path / "examples.parquet"
    ExampleIndex.build(own, RECORDS).save(path)
    settings = {"stage": "both", "min_context_chars": 0, "spans_per_call": 1}
    predictions = predict_records(own, RECORDS)
    calibration = LlmCalibration(own, predictions, verifier(server), settings, 6, examples=path)
    planned = calibration.plan().usage
    calibration.fit()
    plain = LlmCalibration(own, predictions, verifier(server), settings, 6).plan().usage
    assert planned.prompt_tokens > plain.prompt_tokens
    for request in server.requests:
        question = request["messages"][1]["content"].replace("[", "").replace("]", "")
        shown, _, sentence = question.rpartition("Sentence: “")
        assert "Example" in shown
        assert sentence.split("”\n")[0] not in shown


def test_what_cannot_work_shows_before_anything_is_asked(
    own: HybridNerModel, server: ScriptedServer, composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = predict_records(own, RECORDS)
    for settings in ({"guidelines": str(tmp_path / "none.txt")}, {"template": "none"}, {"fusoin": "bayes"}):
        with pytest.raises(LlmError, match=r"none|fusoin"):
            LlmCalibration(own, predictions, verifier(server), settings)
    write_jsonl(RECORDS, tmp_path / "data.jsonl")
    command = ["calibrate", str(composite_folder), str(tmp_path / "data.jsonl"), "--output", str(tmp_path / "out")]
    for option in (["--dry-run"], ["--llm-cache", str(tmp_path / "a.sqlite")]):
        assert main([*command, *option]) == 1
        assert f"{option[0]}: is of use only with an LLM" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert not server.requests


def test_where_the_votes_settle_everything_nothing_is_learned_about_spans(own: HybridNerModel, server: ScriptedServer) -> None:
    predictions = predict_records(own, RECORDS)
    own.config.review_threshold = FixedThreshold(1.0)
    report = LlmCalibration(own, predictions, verifier(server), {"stage": "both", "min_context_chars": 0}, 3).fit()
    assert report["verify"] == {"spans": 0, "right": 0}
    assert own.config.llm_reliability["some-model"].keys() == {"member", "asked"}
    with pytest.raises(DataError, match="none of these sentences has a doubtful span; ask about more"):
        LlmCalibration(own, predictions, verifier(server), {"stage": "verify"}, 3).fit()


def test_both_stages_ask_what_was_planned_without_a_cache_too(own: HybridNerModel, server: ScriptedServer) -> None:
    predictions = predict_records(own, RECORDS)
    settings = {"stage": "both", "min_context_chars": 0, "spans_per_call": 1}
    LlmCalibration(own, predictions, verifier(server), {**settings, "stage": "verify"}, 8).fit()
    before = own.config.llm_reliability["some-model"]
    own.config.llm_reliability = {"some-model": before, "other": {}}
    server.requests.clear()
    calibration = LlmCalibration(own, predictions, verifier(server), {**settings, "accuracy": 0.7}, 8)
    assert calibration.stated == ["accuracy"]
    own.config.review_threshold = FixedThreshold(1.0)
    calls = calibration.plan().usage.calls
    calibration.fit()
    assert 0 < len(server.requests) == calls
    after = own.config.llm_reliability["some-model"]
    assert (after.keys(), after["confusion"]) == (before.keys() | {"member"}, before["confusion"])
    assert own.config.llm_reliability.keys() == {"some-model", "other"}


def test_a_reliability_is_that_of_an_llm_that_is_shown_the_same(
    own: HybridNerModel, server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "habits.txt").write_text("国名后的军队标入。", encoding="utf-8")
    predictions = predict_records(own, RECORDS)
    settings = {"stage": "member", "min_context_chars": 0, "guidelines": str(tmp_path / "habits.txt")}
    LlmCalibration(own, predictions, verifier(server), settings, 8).fit()
    pipe = HybridNerPipeline(own, device="cpu", llm=verifier(server))
    text = RECORDS[0].text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pipe(text, llm_settings=settings)
    index = ExampleIndex.build(own, RECORDS[1:])
    (tmp_path / "other.txt").write_text("国名后的军队不标。", encoding="utf-8")
    others = {**settings, "guidelines": str(tmp_path / "other.txt")}, {**settings, "guidelines": None}
    for changed, examples in ((others[0], None), (others[1], None), (settings, index)):
        with pytest.warns(UserWarning, match="how far 'some-model' is to be trusted was learned with another"):
            pipe(text, llm_settings=changed, llm_examples=examples)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe(text, llm_settings={**others[0], "accuracy": 0.7})
    # Learned anew, nothing of before is left.
    LlmCalibration(own, predictions, verifier(server), {**others[1], "stage": "verify"}, 8).fit()
    assert "member" not in own.config.llm_reliability["some-model"]
