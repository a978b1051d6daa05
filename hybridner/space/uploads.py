"""Uploaded files to texts, with the ids and the reviews that they hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridner.data.feedback import Review, read_feedback
from hybridner.data.formats.json_stream import iter_objects
from hybridner.data.options import ReadOptions
from hybridner.data.texts import extract_text
from hybridner.errors import DataError
from hybridner.space.errors import VisitorError
from hybridner.space.limits import Limits
from hybridner.spans import LabelSet
from hybridner.text.surrogates import replace_surrogates

_ENCODINGS = ("utf-8-sig", "gb18030")
_JSON_LINES = (".jsonl", ".ndjson")
_SUFFIXES = (".txt", ".json", *_JSON_LINES)


@dataclass(frozen=True)
class UploadedText:
    """One text of a file.

    Attributes:
        text: without halves of characters, which become U+FFFD.
        id: that the file gives it.
        is_suggested: whether `hybridner suggest` wrote it, whose order is one of usefulness.
    """

    text: str
    id: str = ""
    is_suggested: bool = False


def read_uploaded_texts(path: Path | None, limits: Limits) -> list[UploadedText]:
    """The texts of an uploaded file: of a .jsonl the "text" of each object, of a .json those of all objects, however they are
    arranged, of a .txt its lines; blank ones are left out.

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
    texts: list[UploadedText] = []
    characters = 0
    for number, one in _texts_of_json(path) if suffix == ".json" else _texts_of_lines(path, suffix in _JSON_LINES):
        if not one.text.strip():
            continue
        if len(one.text) > limits.characters:
            raise VisitorError("long_line", line=number, count=len(one.text), limit=limits.characters)
        texts.append(one)
        characters += len(one.text)
        if len(texts) > limits.file_texts:
            raise VisitorError("many_texts", limit=limits.file_texts)
        if characters > limits.file_characters:
            raise VisitorError("many_characters", limit=limits.file_characters)
    if not texts:
        raise VisitorError("empty_file")
    return texts


def read_uploaded_reviews(path: Path, labels: LabelSet) -> list[Review]:
    """What was judged already, where the file is one of reviews that the page or a person wrote; else nothing.

    Raises:
        VisitorError: reviews for another label set, or faulty ones.
    """
    if path.suffix.lower() not in _JSON_LINES or not any(
        "complete" in item for line in decode(path.read_bytes()).split("\n") if line.strip() and (item := json.loads(line))
    ):
        return []
    try:
        return read_feedback(path, labels)
    except DataError as error:
        raise VisitorError("bad_review", reason=str(error).replace(str(path), path.name)) from None


def _texts_of_lines(path: Path, are_json: bool) -> Iterator[tuple[int, UploadedText]]:
    """(number of the line, its text)."""
    # Not str.splitlines: it would also cut at separators that may stand inside a text.
    for number, line in enumerate(decode(path.read_bytes()).replace("\r\n", "\n").split("\n"), start=1):
        if line.strip():
            yield number, _text_of_json(line, number) if are_json else UploadedText(replace_surrogates(line)[0])


def _texts_of_json(path: Path) -> Iterator[tuple[int, UploadedText]]:
    """(number of the object, its text)."""
    options = ReadOptions()
    try:
        for number, (where, item) in enumerate(iter_objects(path), start=1):
            text = extract_text(item, where, options)
            if not isinstance(text, str):
                raise VisitorError("bad_json")
            yield number, _of_object(item, text)
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


def _text_of_json(line: str, number: int) -> UploadedText:
    try:
        item = json.loads(line)
        text = item["text"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise VisitorError("bad_json_line", line=number) from None
    if not isinstance(text, str):
        raise VisitorError("bad_json_line", line=number)
    return _of_object(item, text)


def _of_object(item: Mapping[str, Any], text: str) -> UploadedText:
    given = item.get("id")
    is_named = isinstance(given, (str, int)) and not isinstance(given, bool)
    entities = item.get("entities")
    is_suggested = isinstance(entities, list) and any(isinstance(one, dict) and "uncertainty" in one for one in entities)
    return UploadedText(replace_surrogates(text)[0], replace_surrogates(str(given))[0] if is_named else "", is_suggested)
