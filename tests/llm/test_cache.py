"""The cache: shared by processes, repeatable without a network, without texts and keys inside."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from hybridner.llm import Answer, AnswerCache, LlmError, Message, OpenAIVerifier, Question, question_key
from hybridner.llm.cache import LEASE
from hybridner.llm.prices import Usage
from tests.llm.scripted_server import KEY, verifier
from tests.support.patience import PATIENCE

QUESTION = Question((Message("user", "秘密文本"),), ("LOC", "Non-Entity"))
ANSWER = Answer("LOC", "served", 10, 2, 0.5, 2, True, ((0.9, 0.1),))


def test_an_answer_comes_back_as_it_was_also_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "cache.sqlite"
    cache = AnswerCache(path)
    assert cache.get("k") is None
    cache.put("k", ANSWER)
    cache.put("k", Answer("PER", "other"))
    cache.close()
    again = AnswerCache(path, mode="replay")
    assert again.get("k") == ANSWER
    assert len(again) == 1


def test_the_key_is_about_everything_that_decides_the_answer_and_nothing_else() -> None:
    def key(
        question: Question = QUESTION, model: str = "m", url: str = "http://a", api_key: str = "x", **settings: object
    ) -> str:
        return question_key(OpenAIVerifier(model, url, api_key, **settings), question)  # type: ignore[arg-type]

    same = [key(), key(url="http://b"), key(api_key="y"), key(timeout=1.0, max_retries=9, concurrency=2)]
    others = [
        key(model="n"),
        key(temperature=0.5),
        key(top_p=None),
        key(max_tokens=9),
        key(extra_body={"a": 1}),
        key(Question((Message("user", "other"),), QUESTION.options)),
        key(Question((Message("system", "秘密文本"),), QUESTION.options)),
        key(Question(QUESTION.messages, ("LOC",))),
        key(Question(QUESTION.messages, QUESTION.options, max_tokens=9)),
    ]
    assert len(set(same)) == 1
    assert len({same[0], *others}) == 1 + len(others)


def test_half_a_surrogate_pair_can_be_asked_about() -> None:
    assert question_key(OpenAIVerifier("m"), Question((Message("user", "\ud83d"),)))


def _fill(path: Path, worker: int) -> None:
    cache = AnswerCache(path)
    for number in range(60):
        cache.put(f"shared-{number}", Answer(str(worker), "m"))
        cache.put(f"own-{worker}-{number}", Answer("x", "m"))


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    AnswerCache(path).close()
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_fill, args=(path, worker)) for worker in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0
    assert len(AnswerCache(path)) == 60 + 4 * 60


def test_a_new_file_that_others_are_opening_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    # Whoever finds another writing when it has begun to turn the file to WAL is refused by SQLite without waiting.
    first = sqlite3.connect(path, isolation_level=None)
    first.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(4) as pool:
        opened = [pool.submit(AnswerCache, path) for _ in range(4)]
        done, _ = wait(opened, timeout=0.3, return_when=FIRST_EXCEPTION)
        first.execute("COMMIT")
        first.close()
        assert [len(future.result(PATIENCE)) for future in opened] == [0] * 4
    assert not done


def test_many_open_one_new_file_at_once(tmp_path: Path) -> None:
    for number in range(20):
        start = threading.Barrier(6)

        def open_and_close(path: Path, start: threading.Barrier = start) -> int:
            start.wait(PATIENCE)
            cache = AnswerCache(path)
            cache.put("k", ANSWER)
            cache.close()
            return len(cache)

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(open_and_close, [tmp_path / f"{number}.sqlite"] * 6)) == [1] * 6


def _put_over_another_connection(cache: AnswerCache) -> None:
    inherited = cache._connection
    cache.put("child", ANSWER)
    assert cache._connection is not inherited


def test_a_connection_does_not_cross_a_fork(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "cache.sqlite")
    process = multiprocessing.get_context("fork").Process(target=_put_over_another_connection, args=(cache,))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0
    assert cache.get("child") == ANSWER


def test_record_files_carry_answers_to_another_cache(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "a.sqlite")
    for number in range(3):
        cache.put(f"k{number}", ANSWER)
    assert cache.record(tmp_path / "run.jsonl") == 3
    other = AnswerCache(tmp_path / "b.sqlite")
    other.put("k0", Answer("own", "m"))
    assert other.add_record(tmp_path / "run.jsonl") == 3
    assert other.get("k1") == ANSWER
    assert other.get("k0") == Answer("own", "m")


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"key": "k"}', '{"key": "k", "content": 1, "model": "m"}', '{"key": "k", "content": "a", "model": "m", "x": 1}'],
)
def test_a_spoilt_record_is_refused_whole(line: str, tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "a.sqlite")
    cache.put("k", ANSWER)
    cache.record(tmp_path / "run.jsonl")
    with (tmp_path / "run.jsonl").open("a") as file:
        file.write(line + "\n")
    other = AnswerCache(tmp_path / "b.sqlite")
    with pytest.raises(LlmError, match=r"run\.jsonl, line 3"):
        other.add_record(tmp_path / "run.jsonl")
    assert len(other) == 0


def test_files_that_are_no_cache_and_no_record(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to look like something" * 40)
    with pytest.raises(LlmError, match="cannot be used as a cache"):
        AnswerCache(tmp_path / "text")
    with pytest.raises(LlmError, match="nothing to replay"):
        AnswerCache(tmp_path / "none", mode="replay")
    with pytest.raises(LlmError, match="'use' or 'replay'"):
        AnswerCache(tmp_path / "x", mode="write")  # type: ignore[arg-type]
    (tmp_path / "other.jsonl").write_text(json.dumps({"format": "other"}) + "\n")
    with pytest.raises(LlmError, match="line 1"):
        AnswerCache(tmp_path / "x").add_record(tmp_path / "other.jsonl")
    with pytest.raises(LlmError, match="cannot be read"):
        AnswerCache(tmp_path / "x").add_record(tmp_path / "none.jsonl")


def test_neither_texts_nor_keys_are_in_the_files(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "a.sqlite")
    cache.put(question_key(verifier("http://127.0.0.1:1/v1"), QUESTION), ANSWER)
    cache.record(tmp_path / "run.jsonl")
    cache.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"served" in written
    for secret in (KEY, "秘密", "Bearer", "127.0.0.1"):
        assert secret.encode() not in written


def test_a_claim_is_for_one_until_it_is_given_up_or_lapses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1e9
    monkeypatch.setattr("hybridner.llm.cache.time.time", lambda: now)
    one, other = AnswerCache(tmp_path / "cache"), AnswerCache(tmp_path / "cache")
    assert one.claim("k", "one")
    assert not other.claim("k", "other")
    assert other.claim("l", "other")
    other.release("k", "other")  # not theirs
    assert not other.claim("k", "other")
    one.release("k", "one")
    assert other.claim("k", "other")
    now += LEASE - 1
    assert other.claim("k", "other")
    now += LEASE - 1
    assert not one.claim("k", "one")
    now += 2
    assert one.claim("k", "one")
    now -= 10 * LEASE  # a clock that was set back
    assert other.claim("k", "other")


@pytest.mark.parametrize(
    "row",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        b"\xff",
        '{"content": 1, "model": "m"}',
        '{"content": "x", "model": "m", "y": 1}',
        "[" * 100_000,
    ],
)
def test_a_row_that_is_no_answer_is_a_miss_and_is_replaced(tmp_path: Path, row: str) -> None:
    cache = AnswerCache(tmp_path / "cache")
    cache.put("good", ANSWER)
    with sqlite3.connect(tmp_path / "cache") as connection:
        connection.execute("INSERT INTO answers VALUES (?, ?)", ("k", row))
    assert AnswerCache(tmp_path / "cache", "replay").get("k") is None
    assert cache.usage() == Usage(1, ANSWER.prompt_tokens, ANSWER.completion_tokens)
    assert cache.record(tmp_path / "run.jsonl") == 1
    assert AnswerCache(tmp_path / "other").add_record(tmp_path / "run.jsonl") == 1
    assert cache.get("k") is None
    cache.put("k", ANSWER)
    assert cache.get("k") == ANSWER


@pytest.mark.parametrize("path", ["/proc/x/y", "file/below"])
def test_a_place_where_there_can_be_no_cache(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LlmError, match="cannot be used as a cache"):
        AnswerCache(tmp_path / path)


def test_a_replay_from_a_disk_that_cannot_be_written_to(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "cache")
    cache.put("k", ANSWER)
    cache.close()
    uri = f"{(tmp_path / 'cache').as_uri()}?mode=ro"
    assert os.listdir(tmp_path) == ["cache"]
    # The files that WAL wants cannot be made: folders take their names.
    for name in ("cache-wal", "cache-shm"):
        (tmp_path / name).mkdir()
    with pytest.raises(sqlite3.OperationalError):
        sqlite3.connect(uri, uri=True).execute("SELECT 1 FROM answers")
    assert AnswerCache(tmp_path / "cache", "replay").get("k") == ANSWER
