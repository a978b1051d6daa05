"""The OpenAI-compatible verifier against a scripted server: every fault is either survived or said plainly, and no key leaks."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import pickle
import time
from collections.abc import Callable
from typing import Any

import pytest

from hybridner.llm import Answer, LlmError, Message, OpenAIVerifier, Question, VerifierError, as_verifier
from hybridner.llm.openai_verifier import retry_after
from tests.llm.scripted_server import (
    BROKEN,
    CUT,
    DRIP,
    DROP,
    HANG,
    HTML,
    HTML_502,
    KEY,
    NOT_CHAT,
    Reply,
    ScriptedServer,
    chat,
    problem,
    verifier,
)

QUESTION = Question((Message("system", "s"), Message("user", "u")), ("LOC", "Non-Entity"))
Serve = Callable[[Any], ScriptedServer]


def ask(*asked: OpenAIVerifier, question: Question = QUESTION) -> Answer:
    async def once() -> Answer:
        try:
            return await asked[0].complete(question)
        finally:
            await asked[0].close()

    return asyncio.run(once())


def test_the_request_and_what_is_recorded_with_its_answer(serve: Serve) -> None:
    server = serve(chat("LOC"))
    answer = ask(verifier(server, extra_body={"thinking": {"type": "disabled"}}))
    assert (answer.content, answer.model, answer.prompt_tokens, answer.completion_tokens) == ("LOC", "served-model-v2", 100, 3)
    assert answer.attempts == 1
    assert answer.latency > 0
    assert server.requests == [
        {
            "model": "some-model",
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
            "temperature": 0.0,
            "top_p": 1.0,
            "max_tokens": 128,
            "thinking": {"type": "disabled"},
        }
    ]
    assert server.keys == [f"Bearer {KEY}"]


def test_what_a_server_refuses_can_be_left_out_and_a_question_can_raise_its_limit(serve: Serve) -> None:
    server = serve(chat("LOC"))
    ask(verifier(server, temperature=None, top_p=None), question=Question(QUESTION.messages, max_tokens=1024))
    ask(
        verifier(server, max_tokens=None, extra_body={"max_completion_tokens": 9}),
        question=Question(QUESTION.messages, max_tokens=7),
    )
    ask(verifier(server, max_tokens=4096), question=Question(QUESTION.messages, max_tokens=1024))
    assert {"temperature", "top_p"}.isdisjoint(server.requests[0])
    assert server.requests[2]["max_tokens"] == 4096
    assert server.requests[0]["max_tokens"] == 1024
    assert "max_tokens" not in server.requests[1]
    assert server.requests[1]["max_completion_tokens"] == 9


def test_the_key_comes_from_the_surroundings_where_none_is_given(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(chat("LOC"))
    ask(OpenAIVerifier("m", server.url))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-outside")
    ask(OpenAIVerifier("m", server.url))
    assert server.keys == ["Bearer none", "Bearer sk-from-outside"]


PASSING = {
    "429": problem(429, "slow down"),
    "429 with Retry-After": problem(429, "slow down", Retry_After="0.05"),
    "500": problem(500),
    "503": problem(503),
    "HTML error page": HTML_502,
    "HTML instead of an answer": HTML,
    "broken JSON": BROKEN,
    "other JSON": NOT_CHAT,
    "a list": Reply(b"[1, 2]"),
    "no choices": chat("x", choices=[]),
    "choices are null": chat("x", choices=None),
    "content is no text": chat("x", choices=[{"message": {"content": 7}}]),
    "cut short": CUT,
    "connection dropped": DROP,
    "blank content": chat("  \n"),
    "null content": chat(None),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_passing_fault_is_survived(fault: str, serve: Serve) -> None:
    server = serve([PASSING[fault], PASSING[fault], chat("LOC")])
    answer = ask(verifier(server))
    assert (answer.content, answer.attempts, len(server.requests)) == ("LOC", 3, 3)


@pytest.mark.parametrize("fault", PASSING)
def test_a_lasting_fault_is_said_after_the_last_try(fault: str, serve: Serve) -> None:
    server = serve(PASSING[fault])
    with pytest.raises(VerifierError) as caught:
        ask(verifier(server, max_retries=1))
    assert (len(server.requests), caught.value.attempts, caught.value.fatal) == (2, 2, False)
    assert "<" not in str(caught.value)


@pytest.mark.parametrize("reply", [HANG, DRIP], ids=["hang", "slow drip"])
def test_one_try_takes_no_longer_than_its_time_limit(reply: Reply, serve: Serve) -> None:
    # The drip sends a byte every 50 ms, so a limit on the pause between bytes would never strike.
    server = serve([reply, chat("LOC")])
    answer = ask(verifier(server, timeout=0.5))
    assert (answer.content, answer.attempts) == ("LOC", 2)


@pytest.mark.parametrize(
    ("status", "fatal"), [(400, False), (401, True), (402, True), (403, True), (404, True), (413, False), (422, False)]
)
def test_a_fault_that_stays_is_not_tried_again(status: int, fatal: bool, serve: Serve) -> None:
    server = serve(problem(status, "the reason"))
    with pytest.raises(VerifierError, match=f"HTTP {status}.*the reason") as caught:
        ask(verifier(server))
    assert (len(server.requests), caught.value.fatal) == (1, fatal)


def test_nobody_listening_is_fatal_and_names_the_address(refused: str) -> None:
    with pytest.raises(VerifierError, match=r"no connection to http://127\.0\.0\.1") as caught:
        ask(verifier(refused, max_retries=1))
    assert (caught.value.fatal, caught.value.attempts) == (True, 2)


def test_retry_after_holds_back_every_question(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    server = serve([problem(429, Retry_After="7"), chat("LOC")])
    monkeypatch.setattr("hybridner.llm.openai_verifier.asyncio.sleep", note)
    asked = verifier(server)
    ask(asked)
    ask(asked)
    assert waits[0] == 0
    assert all(6 < wait <= 7 for wait in waits[1:])
    assert len(waits) == 3


def test_a_server_that_wants_too_long_a_pause_is_failing(serve: Serve) -> None:
    server = serve(problem(429, "tomorrow", Retry_After="86400"))
    with pytest.raises(VerifierError, match="tomorrow"):
        ask(verifier(server))
    assert len(server.requests) == 1


def test_forms_of_retry_after() -> None:
    soon = email.utils.format_datetime(email.utils.localtime()).replace("\n", "")
    assert retry_after({"retry-after": "2"}) == 2
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert retry_after({"retry-after": soon}) == 0
    later = retry_after({"retry-after": email.utils.formatdate(time.time() + 3600, usegmt=True)})
    assert later is not None
    assert 3500 < later <= 3600
    assert [retry_after({"retry-after": value}) for value in ("", "soon", "nan", "inf")] == [None] * 4
    assert retry_after({"retry-after": "-5"}) == 0
    assert retry_after({}) is None


def test_a_blank_answer_at_the_token_limit_says_what_helps(serve: Serve) -> None:
    with pytest.raises(VerifierError, match="max_tokens, or thinking switched off"):
        ask(verifier(serve(chat("", finish="length")), max_retries=0))


def test_a_cut_answer_is_marked_and_missing_counts_are_zero(serve: Serve) -> None:
    answer = ask(verifier(serve(chat("LO", finish="length", usage=None, model=None))))
    assert (answer.truncated, answer.prompt_tokens, answer.model) == (True, 0, "some-model")


@pytest.mark.parametrize(("details", "cached"), [({"cached_tokens": 80}, 80), ({"cached_tokens": 900}, 100), ({}, 0), (5, 0)])
def test_tokens_of_the_servers_prompt_cache_are_recorded(serve: Serve, details: object, cached: int) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 3, "total_tokens": 103, "prompt_tokens_details": details}
    answer = ask(verifier(serve(chat("LOC", usage=usage))))
    assert (answer.prompt_tokens, answer.cached_prompt_tokens) == (100, cached)


def test_one_verifier_serves_several_event_loops(serve: Serve) -> None:
    asked = verifier(serve(chat("LOC")))
    assert [asyncio.run(asked.complete(QUESTION)).content for _ in range(2)] == ["LOC", "LOC"]


def test_the_key_is_nowhere_to_be_seen(serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.DEBUG)
    server = serve(
        [problem(401, f"Incorrect API key provided: {KEY}"), problem(401, "Bearer abcdefgh1234 is wrong"), chat("LOC")]
    )
    asked = verifier(server)
    told = []
    for _ in range(2):
        with pytest.raises(VerifierError) as caught:
            ask(asked)
        told.append(str(caught.value))
        assert caught.value.__suppress_context__
    ask(asked)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    seen = [
        *told,
        repr(asked),
        str(asked.to_dict()),
        str(asked.parameters),
        caplog.text,
        repr(pickle.dumps(asked)),
        str(vars(pickle.loads(pickle.dumps(asked)))),
    ]
    assert not [place for place in seen if KEY in place or "abcdefgh" in place]
    assert "***" in told[0]


def test_credentials_in_an_address_are_not_shown(refused: str) -> None:
    asked = OpenAIVerifier("m", refused.replace("127", "user:hush@127") + "?key=hush", "k", max_retries=0)
    with pytest.raises(VerifierError) as caught:
        ask(asked)
    assert "hush" not in repr(asked) + str(caught.value)


def test_settings_make_an_equal_verifier(serve: Serve) -> None:
    asked = verifier(serve(chat("LOC")), extra_body={"a": 1}, top_p=None)
    again = as_verifier(asked.to_dict())
    assert repr(again) == repr(asked)
    assert as_verifier(asked) is asked
    assert as_verifier("deepseek-flash").model == "deepseek-flash"


@pytest.mark.parametrize(
    ("llm", "complaint"),
    [
        ({"model": "m", "api_kee": "x"}, "api_kee"),
        ({"base_url": "http://x"}, "model"),
        (7, "not int"),
        ("", "name of a model"),
        ({"model": "m", "concurrency": 0}, "concurrency"),
        ({"model": "m", "timeout": 0}, "timeout"),
        ({"model": "m", "extra_body": {"api_key": "x"}}, "no secret"),
    ],
)
def test_wrong_settings_are_refused(llm: Any, complaint: str) -> None:
    with pytest.raises(LlmError, match=complaint):
        as_verifier(llm)


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(LlmError, match=r"pip install 'hybridner\[llm\]'"):
        ask(OpenAIVerifier("m", "http://127.0.0.1:1/v1"))
