"""The OpenAI-compatible verifier against a scripted server: every fault is either survived or said plainly, and no key leaks."""

from __future__ import annotations

import asyncio
import email.utils
import gzip
import logging
import pickle
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.errors import MissingPackageError
from hybridner.llm import (
    Answer,
    AnswerCache,
    FailureKind,
    LlmError,
    Message,
    OpenAIVerifier,
    Question,
    VerifierError,
    as_verifier,
)
from hybridner.llm.openai_response import retry_after
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
from tests.support.patience import PATIENCE

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
    asked = verifier(serve(chat("LOC")), timeout=0.5, max_retries=30)

    def script(_: dict[str, Any], number: int) -> Reply:
        # The next try has all the time it needs.
        asked._settings = asked._settings.model_copy(update={"timeout": PATIENCE})
        return reply if number == 0 else chat("LOC")

    server = serve(script)
    asked._settings = asked._settings.model_copy(update={"base_url": server.url})
    assert ask(asked).content == "LOC"
    assert len(server.requests) == 2


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

    server = serve([problem(429, Retry_After="50"), chat("LOC")])
    monkeypatch.setattr("hybridner.llm.openai_verifier.asyncio.sleep", note)
    asked = verifier(server)
    ask(asked)
    ask(asked)
    assert waits[0] == 0
    assert all(0 < wait <= 50 for wait in waits[1:])
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


RATE_LIMITED = {"code": 429, "message": "rate limited"}


@pytest.mark.parametrize(
    ("reply", "kind", "requests", "message"),
    [
        (chat(None, error=RATE_LIMITED, choices=None), "rate_limited", 3, "HTTP 429: rate limited"),
        (chat(None, error={**RATE_LIMITED, "code": "429"}), "rate_limited", 3, "HTTP 429: rate limited"),
        (Reply(b'{"object": "error", "message": "bad field", "code": 400}'), "server_error", 1, "HTTP 400: bad field"),
        (Reply(b'{"error": {"code": 401, "message": "no such key"}}'), "refused", 1, "HTTP 401: no such key"),
        (Reply(b'{"error": "the model crashed"}'), "server_error", 3, "reports an error: the model crashed"),
        (chat("", choices=[{"error": {"code": 502, "message": "upstream"}, "message": {}}]), "server_error", 3, "HTTP 502"),
        (chat("LO", finish="content_filter"), "filtered", 1, "content filter"),
        (chat(None, finish="content_filter"), "filtered", 1, "content filter"),
        (chat(None, choices=[{"message": {"content": None, "refusal": "I will not."}}]), "filtered", 1, "I will not"),
        (chat(None, choices=[{"message": {"content": [{"type": "refusal", "refusal": "No."}]}}]), "filtered", 1, "No"),
        (problem(400, "Content Exists Risk"), "filtered", 1, "Content Exists Risk"),
        (problem(400, "The response was filtered: ResponsibleAIPolicyViolation"), "filtered", 1, "filtered"),
        (Reply(b'{"error": {"code": "data_inspection_failed", "message": "no"}}'), "filtered", 1, "no"),
        (problem(429), "rate_limited", 3, "HTTP 429"),
        (problem(408), "timed_out", 3, "HTTP 408"),
        (problem(403), "refused", 1, "HTTP 403"),
        (problem(500), "server_error", 3, "HTTP 500"),
        (HTML, "bad_response", 3, "no chat completion"),
        (Reply(b"[" * 100_000), "bad_response", 3, "no chat completion"),
        (chat(" "), "bad_response", 3, "blank"),
        (DROP, "unreachable", 3, "no connection"),
        (Reply(b" " * 5_000_000), "bad_response", 1, "too long"),
        (Reply(b"x" * 5_000_000, status=500), "bad_response", 1, "too long"),
        (
            Reply(
                gzip.compress(random.Random(0).randbytes(300_000)),
                headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
            ),
            "bad_response",
            1,
            "too long",
        ),
    ],
)
def test_what_kind_of_failure_it_is(reply: Reply, kind: str, requests: int, message: str, serve: Serve) -> None:
    server = serve(reply)
    with pytest.raises(VerifierError, match=message) as caught:
        ask(verifier(server))
    assert (caught.value.kind, len(server.requests)) == (FailureKind(kind), requests)
    assert caught.value.fatal == (kind == "refused")


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "text", "text": "LO"}, {"type": "text", "text": "C"}],
        [{"type": "thinking", "thinking": "PER?"}, {"type": "output_text", "text": "LOC"}],
        ["LOC"],
    ],
)
def test_a_content_in_parts(content: list[Any], serve: Serve) -> None:
    assert ask(verifier(serve(chat(None, choices=[{"message": {"content": content}}])))).content == "LOC"


def test_halves_of_characters_become_what_can_be_stored(serve: Serve, tmp_path: Path) -> None:
    answer = ask(verifier(serve(chat("LOC\ud83d", model="served\udc00"))))
    assert (answer.content, answer.model) == ("LOC\ufffd", "served\ufffd")
    cache = AnswerCache(tmp_path / "cache")
    cache.put("k", answer)
    assert cache.get("k") == answer
    with pytest.raises(VerifierError, match="no \ufffd here"):
        ask(verifier(serve(problem(404, "no \ud83d here"))))


def test_an_answer_that_runs_on_is_cut(serve: Serve) -> None:
    answer = ask(verifier(serve(chat("LOC\n" * 50_000))))
    assert (len(answer.content), answer.truncated) == (100_000, True)


def test_tokens_of_attempts_without_an_answer_count(serve: Serve) -> None:
    answer = ask(verifier(serve([chat(""), problem(500), chat("LOC")])))
    assert (answer.prompt_tokens, answer.completion_tokens, answer.attempts) == (200, 6, 3)
    with pytest.raises(VerifierError) as caught:
        ask(verifier(serve(chat("")), max_retries=1))
    assert (caught.value.prompt_tokens, caught.value.completion_tokens) == (200, 6)


_LENGTH = st.sampled_from(["max_tokens", "max_completion_tokens", "num_predict", "thinking_budget", "n"])
_EXTRA = st.recursive(
    st.none() | st.integers(-5, 10_000) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: (
        st.dictionaries(_LENGTH | st.sampled_from(["options", "thinking", "seed"]), inner, max_size=3)
        | st.lists(inner, max_size=2)
        | st.tuples(inner)
    ),
    max_leaves=6,
)


@given(extra=st.dictionaries(_LENGTH | st.just("options"), _EXTRA, max_size=3), own=st.none() | st.integers(1, 10_000))
def test_no_setting_asks_for_more_than_the_limit(extra: dict[str, Any], own: int | None) -> None:
    def lengths(value: Any) -> Iterator[Any]:
        for key, item in (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
        ):
            if key in ("max_tokens", "max_completion_tokens", "num_predict", "thinking_budget", "n"):
                yield item
            else:
                yield from lengths(item)

    sent = OpenAIVerifier("m", max_tokens=own, token_limit=200, extra_body=extra).parameters
    assert all(isinstance(length, int) and 0 <= length <= 200 for length in lengths(sent))
    assert list(lengths(sent))


def test_the_limit_holds_for_the_request(serve: Serve) -> None:
    server = serve(chat("LOC"))
    long = Question(QUESTION.messages, max_tokens=1024)
    ask(verifier(server, token_limit=300, extra_body={"options": {"num_predict": 9999}}), question=long)
    ask(verifier(server, token_limit=300, extra_body={"max_tokens": None}))
    ask(verifier(server, token_limit=300, max_tokens=None))
    assert (server.requests[0]["max_tokens"], server.requests[0]["options"]) == (300, {"num_predict": 300})
    assert [request["max_tokens"] for request in server.requests[1:]] == [300, 300]


SECRET = "nested-secret-0123456789"


def test_nested_secrets_are_sent_and_nowhere_shown(serve: Serve) -> None:
    extra = {"extra_headers": {"Authorization": f"Bearer {SECRET}", "n": [{"x-api-key": SECRET}]}}
    server = serve([problem(400, f"bad header {SECRET}"), chat("LOC")])
    asked = verifier(server, extra_body=extra)
    with pytest.raises(VerifierError) as caught:
        ask(asked)
    assert server.requests[0]["extra_headers"] == extra["extra_headers"]
    assert SECRET not in f"{caught.value} {asked!r} {asked.to_dict()} {asked.parameters}"
    with pytest.raises(LlmError, match="extra_body"):
        pickle.dumps(asked)


@pytest.mark.parametrize("key", ["none", "EMPTY", "ollama"])
def test_a_dummy_for_a_key_is_a_word_like_any_other(key: str, serve: Serve) -> None:
    with pytest.raises(VerifierError, match=f"no model of {key} here"):
        ask(OpenAIVerifier("m", serve(problem(404, f"no model of {key} here")).url, key))


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
        ("", "model: expected a text that is not empty"),
        ({"model": "m", "concurrency": 0}, "concurrency"),
        ({"model": "m", "timeout": 0}, "timeout"),
        ({"model": "m", "extra_body": [1]}, "extra_body: expected a mapping"),
        ({"model": "m", "max_tokens": True}, "max_tokens: expected a whole number"),
        ({"model": "m", "temperature": float("inf")}, "temperature: expected a finite number, got inf"),
        ({"model": "m", "temperature": ".nan"}, "temperature: expected a number, got '.nan'"),
        ({"model": "m", "temperature": float("nan")}, "temperature: expected a finite number, got nan"),
        ({"model": "m", "temperature": -0.1}, "temperature: expected at least 0, got -0.1"),
        ({"model": "m", "temperature": "hot"}, "temperature: expected a number, got 'hot'"),
        ({"model": "m", "top_p": 1.5}, "top_p: expected at most 1, got 1.5"),
        ({"model": "m", "timeout": float("inf")}, "timeout: expected a finite number"),
        ({"model": "m", "extra_body": {"a": [float("nan")]}}, "extra_body: expected what JSON can hold"),
        ({"model": "m", "extra_body": {"a": {1, 2}}}, "extra_body: expected what JSON can hold"),
    ],
)
def test_wrong_settings_are_refused(llm: Any, complaint: str) -> None:
    with pytest.raises(LlmError, match=complaint):
        as_verifier(llm)


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(MissingPackageError, match=r'pip install "hybridner\[llm\]"'):
        ask(OpenAIVerifier("m", "http://127.0.0.1:1/v1"))
