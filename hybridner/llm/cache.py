"""Answers kept on disk: one SQLite file that several processes may share, and record files to repeat a run without a network.

What is stored is a hash of the question and the answer to it. Neither keys nor prompts nor texts are in the file, so that
it can be given away even where the texts cannot.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from hybridner.errors import LlmError
from hybridner.files import atomic_write, read_text
from hybridner.llm.prices import Usage
from hybridner.llm.verifier import Answer, Question, Verifier
from hybridner.validation import validate

Mode = Literal["use", "replay"]

_FORMAT = "hybridner-llm-answers-1"
#: Seconds to wait for another process's write.
_PATIENCE = 30.0
#: Seconds between two tries to open a file that others are opening.
_PAUSE = 0.01
#: Seconds after which a claim lapses that is not kept up.
LEASE = 10.0
_ANSWER = TypeAdapter(Answer)


def question_key(verifier: Verifier, question: Question) -> str:
    """Hash of everything that decides the answer: model, parameters, messages, closed list and token limit.

    Args:
        verifier: who would be asked.
        question: what would be asked.

    Examples:
        >>> question = Question((Message("user", "北约：国家还是武器？"),), options=("国家", "武器"))
        >>> verifier = as_verifier({"model": "deepseek-flash", "base_url": "http://127.0.0.1:8901/v1"})
        >>> len(question_key(verifier, question))
        64
    """
    whole = {
        "model": verifier.model,
        "parameters": dict(verifier.parameters),
        "messages": question.messages,
        "options": question.options,
        "max_tokens": question.max_tokens,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()


class AnswerCache:
    """Answers by key; safe for threads and for several processes on one machine.

    Args:
        path: the SQLite file; made with its folder when it is not there (not with ``mode="replay"``).
        mode: "use" reads and writes; "replay" only reads, and a question that is not there counts as failed, so that a run
            either repeats exactly or says what is missing.

    Raises:
        LlmError: an unknown mode, no file to replay, or a file that is no such cache.

    Examples:
        >>> cache = AnswerCache("answers.sqlite")
        >>> cache.put("key", Answer("State", "deepseek-flash"))
        >>> cache.get("key").content
        'State'
        >>> cache.close()
    """

    def __init__(self, path: str | Path, mode: Mode = "use") -> None:
        self.path = Path(path)
        self.mode: Mode = validate(Mode, mode, LlmError, "mode of a cache")
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0
        if mode == "replay" and not self.path.is_file():
            raise LlmError(f"{self.path}: nothing to replay, no such file")
        try:
            if mode == "use":
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._run("SELECT 1 FROM answers LIMIT 1")
        except (sqlite3.Error, OSError) as error:
            raise LlmError(f"{self.path}: cannot be used as a cache of answers ({error}); give another path") from error

    def __repr__(self) -> str:
        return f"AnswerCache({str(self.path)!r}, mode={self.mode!r})"

    def get(self, key: str) -> Answer | None:
        """The answer kept for a key; a row that is no answer counts as none."""
        rows = self._run("SELECT answer FROM answers WHERE key = ?", (key,))
        answer = _parse(rows[0][0]) if rows else None
        if rows and answer is None and self.mode == "use":
            self._run("DELETE FROM answers WHERE key = ? AND answer = ?", (key, rows[0][0]))
        return answer

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer; the first one for a key stays, so that all processes go on with the same."""
        self._run("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, json.dumps(asdict(answer), ensure_ascii=False)))

    def claim(self, key: str, owner: str) -> bool:
        """Take on to get the answer to a question, or keep the claim up; False while somebody else has taken it on.

        A claim lapses after `LEASE` seconds without being kept up, for its process may have been killed.
        """
        now = time.time()
        rows = self._run(
            "INSERT INTO claims VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, until = excluded.until "
            # A clock that was set back must not make a claim last for ever.
            "WHERE owner = excluded.owner OR until < ? OR until > ? RETURNING 1",
            (key, owner, now + LEASE, now, now + 2 * LEASE),
        )
        return bool(rows)

    def release(self, key: str, owner: str) -> None:
        """Give up a claim."""
        self._run("DELETE FROM claims WHERE key = ? AND owner = ?", (key, owner))

    def get_abilities(self, endpoint: str) -> str | None:
        """What is remembered of a server, see `Abilities`."""
        try:
            rows = self._run("SELECT abilities FROM endpoints WHERE endpoint = ?", (endpoint,))
        except sqlite3.Error:
            return None  # nothing to be read in an older or a broken file
        return str(rows[0][0]) if rows else None

    def put_abilities(self, endpoint: str, abilities: str) -> None:
        """Remember what a server can do."""
        with contextlib.suppress(sqlite3.Error):
            self._run("INSERT OR REPLACE INTO endpoints VALUES (?, ?)", (endpoint, abilities))

    def __len__(self) -> int:
        return int(self._run("SELECT count(*) FROM answers")[0][0])

    def usage(self) -> Usage:
        """Calls and tokens that the answers kept here took."""
        names = ("prompt_tokens", "completion_tokens", "cached_prompt_tokens")
        answers = [answer for _, answer in self._answers()]
        return Usage(len(answers), *(sum(getattr(answer, name) for answer in answers) for name in names))

    def record(self, path: str | Path) -> int:
        """Write all answers as JSON lines, sorted by key; returns how many. Rows that are no answers are left out."""
        answers = self._answers()
        with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"format": _FORMAT}) + "\n")
            file.writelines(
                json.dumps({"key": key, **asdict(answer)}, ensure_ascii=False, sort_keys=True) + "\n" for key, answer in answers
            )
        return len(answers)

    def add_record(self, path: str | Path) -> int:
        """Take in a record file; answers that are there already stay. Returns how many lines it had.

        Raises:
            LlmError: a line that is no answer; nothing of the file is taken in then.
        """
        answers = list(_read_record(Path(path)))
        for key, answer in answers:
            self.put(key, answer)
        return len(answers)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None and self._owner == os.getpid():
                self._connection.close()
            self._connection = None

    def _answers(self) -> list[tuple[str, Answer]]:
        rows = self._run("SELECT key, answer FROM answers ORDER BY key")
        return [(key, answer) for key, stored in rows if isinstance(key, str) and (answer := _parse(stored)) is not None]

    def _run(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            # A connection must not be used after a fork; the child opens its own.
            if self._connection is None or self._owner != os.getpid():
                self._connection = self._open()
                self._owner = os.getpid()
            with self._connection:
                return self._connection.execute(statement, values).fetchall()

    def _open(self) -> sqlite3.Connection:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return _open_to_read(self.path) if self.mode == "replay" else _open_to_write(self.path)
            except sqlite3.OperationalError as error:
                # SQLite waits for another's write, but who turns a new file to WAL, or finds it being turned, is refused at once.
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE)


def _open_to_write(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        # With WAL this survives a killed process; only a power cut could cost the last answers.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID")
        connection.execute("CREATE TABLE IF NOT EXISTS endpoints (endpoint TEXT PRIMARY KEY, abilities TEXT) WITHOUT ROWID")
        connection.execute("CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, owner TEXT, until REAL) WITHOUT ROWID")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _open_to_read(path: Path) -> sqlite3.Connection:
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=_PATIENCE, check_same_thread=False)
    try:
        connection.execute("SELECT 1 FROM answers LIMIT 1")
    except sqlite3.OperationalError as error:
        connection.close()
        if _is_busy(error):
            raise
        # On a disk that cannot be written to there is no place for the files that WAL wants beside this one.
        connection = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    return connection


def _is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection is in the way, whatever the particulars (the upper bits of the code)."""
    return (error.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _parse(stored: Any) -> Answer | None:
    """The answer in a row; None where it holds something else."""
    try:
        return _ANSWER.validate_json(stored)
    except ValidationError:
        return None


def _read_record(path: Path) -> Iterator[tuple[str, Answer]]:
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise LlmError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LlmError(f"{path}: is no text in UTF-8: {error}") from error
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            if number == 1:
                if entry != {"format": _FORMAT}:
                    raise ValueError(f"the first line must be {json.dumps({'format': _FORMAT})}")
                continue
            yield str(entry.pop("key")), _ANSWER.validate_python(entry)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LlmError(f"{path}, line {number}: no recorded answer ({error})") from error
