"""Uploaded files to texts, results to JSON lines."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybridner.space.limits import LimitError, Limits

_ENCODINGS = ("utf-8-sig", "gb18030")


def read_texts_of_file(path: str | Path | None, limits: Limits) -> list[str]:
    """The texts of an uploaded file: of a .jsonl the "text" of each object, of any other its lines; blank ones are left out.

    Raises:
        LimitError: it is no such file, or more than the limits allow.
    """
    if path is None:
        raise LimitError("no_file")
    path = Path(path)
    size = path.stat().st_size
    if size > limits.file_bytes:
        raise LimitError("big_file", count=size, limit=limits.file_bytes)
    json_lines = path.suffix.lower() in (".jsonl", ".ndjson")
    texts: list[str] = []
    characters = 0
    # Not str.splitlines: it would also cut at separators that may stand inside a text.
    for number, line in enumerate(decode(path.read_bytes()).replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip():
            continue
        text = _text_of(line, number) if json_lines else line
        if not text.strip():
            continue
        if len(text) > limits.characters:
            raise LimitError("long_line", line=number, count=len(text), limit=limits.characters)
        texts.append(text)
        characters += len(text)
        if len(texts) > limits.file_texts:
            raise LimitError("many_texts", limit=limits.file_texts)
        if characters > limits.file_characters:
            raise LimitError("many_characters", limit=limits.file_characters)
    if not texts:
        raise LimitError("empty_file")
    return texts


def decode(data: bytes) -> str:
    """Text in UTF-8, with or without a byte order mark, or in the encoding of older Chinese files.

    Raises:
        LimitError: it is neither.
    """
    for encoding in _ENCODINGS:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Nearly any bytes are GB18030 to the decoder; a text has no null characters.
        if "\0" not in text:
            return text
    raise LimitError("unreadable_file")


def _text_of(line: str, number: int) -> str:
    try:
        text = json.loads(line)["text"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise LimitError("bad_json_line", line=number) from None
    if not isinstance(text, str):
        raise LimitError("bad_json_line", line=number)
    return text


def json_lines(texts: Iterable[str], entities: Iterable[Sequence[Mapping[str, Any]]]) -> str:
    """One object ``{"text", "entities"}`` per line, as `hybridner predict --json` prints them."""
    return "".join(
        json.dumps({"text": text, "entities": found}, ensure_ascii=False) + "\n"
        for text, found in zip(texts, entities, strict=True)
    )


def new_result(folder: Path, name: str, seconds: float) -> Path:
    """Where a result of this name goes: a folder of its own that nobody can guess. Those older than `seconds` are removed."""
    now = time.time()
    for old in folder.glob("*/*"):
        if now - old.stat().st_mtime > seconds:
            old.unlink(missing_ok=True)
            old.parent.rmdir()
    path = folder / secrets.token_hex(16) / name
    path.parent.mkdir(parents=True)
    return path
