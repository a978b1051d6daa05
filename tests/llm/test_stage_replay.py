"""Runs that are repeated from their cache, and questions that are under way at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hybridner.llm import (
    AnswerCache,
    LlmError,
    LlmSettings,
    LlmStage,
)
from hybridner.spans import LabelSet
from tests.llm.scripted_server import (
    HANG,
    candidate,
    chat,
    problem,
    verifier,
)
from tests.llm.stage_case import ROW, RUSSIA, TEXT, Serve, by_span, run
from tests.support.patience import PATIENCE, wait_until


def test_a_run_is_repeated_from_its_cache_without_a_server(serve: Serve, labels: LabelSet, tmp_path: Path) -> None:
    server = serve(by_span({"俄罗斯": "what?", "叙利亚": "LOC"}))
    first = run(server, labels, AnswerCache(tmp_path / "a.sqlite"), fusion="replace")
    asked = len(server.requests)
    AnswerCache(tmp_path / "a.sqlite").record(tmp_path / "run.jsonl")
    AnswerCache(tmp_path / "b.sqlite").add_record(tmp_path / "run.jsonl")
    again = run("http://127.0.0.1:9/v1", labels, AnswerCache(tmp_path / "b.sqlite", "replay"), fusion="replace")
    assert [v.candidate for v in again] == [v.candidate for v in first]
    assert [v.provenance.llm_label for v in again] == [None, "LOC", None]
    assert [v.provenance.status for v in again] == ["unparsed", "cached", "local"]
    assert len(server.requests) == asked == 3


def test_a_replay_reports_what_the_recorded_run_used(serve: Serve, labels: LabelSet, tmp_path: Path) -> None:
    server = serve([problem(503), chat("LOC")])
    rows = [ROW, ROW, [RUSSIA]]  # the second text is the first once more
    texts = [TEXT, TEXT, TEXT.replace("俄罗斯在", "俄罗斯于")]
    reports = []
    for mode in ("use", "replay"):
        with LlmStage(
            verifier(server), labels, LlmSettings(spans_per_call=1), cache=AnswerCache(tmp_path / "a.sqlite", mode)
        ) as stage:  # type: ignore[arg-type]
            stage.run(texts, rows)
            reports.append(stage.report())
    assert reports[0] == reports[1]
    assert (reports[1].calls, reports[1].cached, reports[1].prompt_tokens, reports[1].attempts) == (3, 2, 300, 4)


def test_a_replay_names_what_is_missing(serve: Serve, labels: LabelSet, tmp_path: Path) -> None:
    server = serve(chat("LOC"))
    path = tmp_path / "a.sqlite"
    with LlmStage(verifier(server), labels, LlmSettings(spans_per_call=1), cache=AnswerCache(path)) as stage:
        stage.run([TEXT], [[RUSSIA]])
    with LlmStage(verifier(server), labels, LlmSettings(spans_per_call=1), cache=AnswerCache(path, "replay")) as stage:
        russia, syria, _ = stage.run([TEXT], [ROW])[0]
        assert (russia.provenance.status, syria.provenance.status) == ("cached", "failed")
        (key,) = stage.missing
        assert key in str(syria.provenance.llm_error)
    raising = LlmSettings(spans_per_call=1, on_llm_error="raise")
    with (
        LlmStage(verifier(server), labels, raising, cache=AnswerCache(path, "replay")) as stage,
        pytest.raises(LlmError, match=key),
    ):
        stage.run([TEXT], [ROW])
    assert len(server.requests) == 1


def test_equal_questions_at_the_same_time_are_asked_once(serve: Serve, labels: LabelSet) -> None:
    release = threading.Event()
    server = serve(lambda *_: chat("PER") if release.wait(PATIENCE) else HANG)
    with LlmStage(verifier(server), labels, LlmSettings(spans_per_call=1, fusion="replace")) as stage:
        futures = [stage.submit([TEXT] * 3, [[RUSSIA]] * 3) for _ in range(2)]
        wait_until(lambda: len(server.requests) == 1)
        release.set()
        results = [row[0] for future in futures for row in future.result(PATIENCE)]
    assert len(server.requests) == 1
    assert [v.provenance.llm_label for v in results] == ["PER"] * 6
    assert sorted(v.provenance.status for v in results) == ["asked"] + ["cached"] * 5


def test_whoever_waits_for_anothers_question_asks_it_when_that_one_gives_up(
    serve: Serve, labels: LabelSet, time_limits: list[Callable[[], object]]
) -> None:
    server = serve([HANG, chat("PER")])
    with LlmStage(verifier(server), labels, LlmSettings(spans_per_call=1, fusion="replace")) as stage:
        first = stage.submit([TEXT], [[RUSSIA]])
        wait_until(lambda: len(server.requests) == 1)
        of_the_first = list(time_limits)
        second = stage.submit([TEXT], [[RUSSIA]])
        for strike in of_the_first:
            strike()
        assert first.result(PATIENCE)[0][0].provenance.status == "failed"
        assert second.result(PATIENCE)[0][0].provenance.llm_label == "PER"


def test_the_caller_goes_on_while_the_llm_is_asked(serve: Serve, labels: LabelSet) -> None:
    release = threading.Event()
    server = serve(lambda *_: chat("PER") if release.wait(PATIENCE) else HANG)
    with LlmStage(verifier(server), labels, LlmSettings(spans_per_call=1)) as stage:
        one = stage.submit([TEXT], [[RUSSIA]])
        two = stage.submit(["又" + TEXT], [[candidate(7, 10)]])
        # Both batches are with the server while this thread is free.
        wait_until(lambda: len(server.requests) == 2)
        assert not one.done()
        release.set()
        assert one.result(PATIENCE)[0][0].provenance.status == two.result(PATIENCE)[0][0].provenance.status == "asked"


def test_closing_ends_what_is_under_way(serve: Serve, labels: LabelSet) -> None:
    server = serve(HANG)
    stage = LlmStage(verifier(server), labels, LlmSettings(spans_per_call=1))
    future = stage.submit([TEXT], [ROW])
    wait_until(lambda: len(server.requests) == 2)
    stage.close()
    stage.close()
    assert future.cancelled() or future.exception(PATIENCE) is not None
    with pytest.raises(LlmError, match="closed"):
        stage.run([TEXT], [ROW])
