"""Uploaded files to texts."""

from __future__ import annotations

import json
from pathlib import Path

from hybridner.space.errors import VisitorError
from hybridner.space.limits import Limits

_ENCODINGS = ("utf-8-sig", "gb18030")
_JSON_LINES = (".jsonl", ".ndjson")
_SUFFIXES = (".txt", *_JSON_LINES)


def read_uploaded_texts(path: Path | None, limits: Limits) -> list[str]:
    """The texts of an uploaded file: of a .jsonl the "text" of each object, of a .txt its lines; blank ones are left out.

    Raises:
        VisitorError: it is no such file, or more than the limits allow.
    """
    if path is None:
        raise VisitorError("no_file")
    suffix = path.suffix.lower()
    if suffix not in _SUFFIXES:
        raise VisitorError("file_type", name=path.name)
    size = path.stat().st_size
    if size > limits.file_bytes:
        raise VisitorError("big_file", count=size, limit=limits.file_bytes)
    texts: list[str] = []
    characters = 0
    # Not str.splitlines: it would also cut at separators that may stand inside a text.
    for number, line in enumerate(decode(path.read_bytes()).replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip():
            continue
        text = _text_of_json(line, number) if suffix in _JSON_LINES else line
        if not text.strip():
            continue
        if len(text) > limits.characters:
            raise VisitorError("long_line", line=number, count=len(text), limit=limits.characters)
        texts.append(text)
        characters += len(text)
        if len(texts) > limits.file_texts:
            raise VisitorError("many_texts", limit=limits.file_texts)
        if characters > limits.file_characters:
            raise VisitorError("many_characters", limit=limits.file_characters)
    if not texts:
        raise VisitorError("empty_file")
    return texts


def decode(data: bytes) -> str:
    """Text in UTF-8, with or without a byte order mark, or in the encoding of older Chinese files.

    Raises:
        VisitorError: it is neither.
    """
    for encoding in _ENCODINGS:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Nearly any bytes are GB18030 to the decoder; a text has no null characters.
        if "\0" not in text:
            return text
    raise VisitorError("unreadable_file")


def _text_of_json(line: str, number: int) -> str:
    try:
        text = json.loads(line)["text"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise VisitorError("bad_json_line", line=number) from None
    if not isinstance(text, str):
        raise VisitorError("bad_json_line", line=number)
    return text
