"""Uploaded files to texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from hybridner.data.texts import iter_texts
from hybridner.errors import DataError
from hybridner.space.errors import VisitorError
from hybridner.space.limits import Limits
from hybridner.text.surrogates import replace_surrogates

_ENCODINGS = ("utf-8-sig", "gb18030")
_JSON_LINES = (".jsonl", ".ndjson")
_SUFFIXES = (".txt", ".json", *_JSON_LINES)


def read_uploaded_texts(path: Path | None, limits: Limits) -> list[str]:
    """The texts of an uploaded file: of a .jsonl the "text" of each object, of a .json those of all objects, however they are
    arranged, of a .txt its lines; blank ones are left out, and halves of characters become U+FFFD.

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
    for number, text in _texts_of_json(path) if suffix == ".json" else _texts_of_lines(path, suffix in _JSON_LINES):
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


def _texts_of_lines(path: Path, are_json: bool) -> Iterator[tuple[int, str]]:
    """(number of the line, its text)."""
    # Not str.splitlines: it would also cut at separators that may stand inside a text.
    for number, line in enumerate(decode(path.read_bytes()).replace("\r\n", "\n").split("\n"), start=1):
        if line.strip():
            yield number, replace_surrogates(_text_of_json(line, number) if are_json else line)[0]


def _texts_of_json(path: Path) -> Iterator[tuple[int, str]]:
    """(number of the object, its text)."""
    try:
        yield from enumerate(iter_texts(path), start=1)
    except DataError as error:
        raise VisitorError("bad_json") from error


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
