"""Objects out of JSON files in every arrangement: one a line, one array, objects over several lines, and ``{"data": [...]}``.

Objects are read one at a time, so that memory does not grow with the file; only an object that wraps all others is held as one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybridner.data.decoding import BYTE_ORDER_MARK, detect_encoding, open_text
from hybridner.data.formats.base import JsonObject
from hybridner.errors import DataError

#: Characters decoded at a time from a file that is not one object a line.
_CHUNK = 1 << 18
_NOT_SPACE = re.compile(rf"[^\s{BYTE_ORDER_MARK}]")
#: What wraps a list of records, and what stands beside it.
_ABOUT_FILE = ("version", "name", "description", "info", "meta", "metadata", "labels", "count", "total", "code", "msg", "status")
_WRAPPERS = (
    "data",
    "records",
    "examples",
    "documents",
    "sentences",
    "items",
    "tasks",
    "dataset",
    "results",
    "train",
    "dev",
    "test",
)


def iter_objects(path: Path, encoding: str | None = None) -> Iterator[tuple[str, JsonObject]]:
    """(where it stands, the object) for each object of a JSON file.

    A pair of a text and an object, as spaCy's older training data has them, becomes one object.

    Raises:
        DataError: broken JSON, or something other than objects.
    """
    encoding = encoding or detect_encoding(path)
    first = next((line for line in open_text(path, encoding) if line.strip()), "")
    lines = open_text(path, encoding)
    for where, item in _line_items(lines, path) if _is_whole(first) else _stream_items(lines, path):
        yield from _objects_in(where, item)


def _objects_in(where: str, item: Any) -> Iterator[tuple[str, JsonObject]]:
    if is_pair(item):
        item = {"text": item[0], **item[1]}
    if not isinstance(item, dict):
        raise DataError(f"expected a JSON object, not {type(item).__name__}", where)
    wrapped = _wrapped(item, where)
    if wrapped is None:
        yield where, item
        return
    for number, inner in enumerate(wrapped):
        yield from _objects_in(f"{where}, item {number}", inner)


def is_pair(item: Any) -> bool:
    """Whether this is a text and its annotations, as in spaCy's older training data."""
    return isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], dict)


def _wrapped(item: JsonObject, where: str) -> list[Any] | None:
    """The records of an object that is none itself: all it holds beside a list of objects is about the file.

    Raises:
        DataError: it holds several such lists, as of splits.
    """
    lists = {
        key: value
        for key, value in item.items()
        if key not in _ABOUT_FILE and isinstance(value, list) and value and (isinstance(value[0], dict) or is_pair(value[0]))
    }
    if not lists or any(key not in lists and key not in _ABOUT_FILE for key in item):
        return None
    if len(lists) > 1:
        raise DataError(f"one object that holds several lists: {', '.join(lists)}; save each of them as a file of its own", where)
    ((key, records),) = lists.items()
    return list(records) if key in _WRAPPERS else None


def _is_whole(line: str) -> bool:
    """Whether the first line of a file is a value of its own, and not the beginning of one that goes over several lines."""
    line = line.strip()
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        # What is cut off by the line's end is broken there; what is broken before is a line that has to be mended.
        return not line.startswith("[") and error.pos < len(line) - 1
    except RecursionError:
        return True
    return not isinstance(value, list) or (bool(value) and isinstance(value[0], str))


def _line_items(lines: Iterator[str], path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            yield where, json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"not JSON at column {error.colno}: {error.msg}", where) from error
        except RecursionError as error:
            raise DataError("not JSON that can be read: it is nested too deeply", where) from error


def _stream_items(lines: Iterator[str], path: Path) -> Iterator[tuple[str, Any]]:
    """The items of one array, or values one after the other."""
    stream = _Stream(lines, path)
    if stream.next_character() != "[":
        while stream.next_character():
            yield stream.value()
        return
    separator = "["
    while True:
        found = stream.next_character()
        if found == "]" and separator == ",":
            return
        if found != separator:
            problem = f"not JSON: expected {separator!r}, found {found!r}" if found else "the file ends inside its JSON array"
            raise DataError(problem, stream.place())
        stream.skip()
        if separator == "[" and stream.next_character() == "]":
            return
        separator = ","
        yield stream.value()


class _Stream:
    """JSON values out of lines, decoded a chunk at a time."""

    def __init__(self, lines: Iterator[str], path: Path) -> None:
        self._lines, self._path = lines, path
        self._buffer, self._at, self._number = "", 0, 0
        self._line, self._counted = 1, 0  # `_line` is the line number at buffer[_counted]
        self._decode = json.JSONDecoder().raw_decode

    def place(self, ahead: int = 0) -> str:
        """Where the stream stands, or so many characters ahead of that."""
        position = self._at + ahead
        self._line += self._buffer.count("\n", self._counted, position)
        self._counted = position
        return f"{self._path}, record {self._number} (line {self._line})"

    def next_character(self) -> str:
        """The next character that is no space, which stays; empty at the end of the file."""
        while True:
            found = _NOT_SPACE.search(self._buffer, self._at)
            self._at = found.start() if found else len(self._buffer)
            if found:
                return found[0]
            if not self._refill():
                return ""

    def skip(self) -> None:
        self._at += 1

    def value(self) -> tuple[str, Any]:
        """(where it stands, the value) of the next value.

        Raises:
            DataError: it is no JSON, or the file ends inside of it.
        """
        if not self.next_character():
            raise DataError("the file ends inside its JSON array", self.place())
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
                break
            except json.JSONDecodeError as error:
                # A value cut off by the end of the chunk looks broken too; only the file's end tells.
                problem, ahead = error.msg, error.pos - self._at
                if not self._refill():
                    raise DataError(f"not JSON: {problem}", self.place(ahead)) from error
            except RecursionError as error:
                raise DataError("not JSON that can be read: it is nested too deeply", self.place()) from error
        where = self.place()
        self._at, self._number = end, self._number + 1
        return where, value

    def _refill(self) -> bool:
        """Drop what was read and append the next chunk; False at the end of the file."""
        self.place()
        chunk, length = [self._buffer[self._at :]], 0
        for line in self._lines:
            chunk += line, "\n"
            length += len(line) + 1
            if length >= _CHUNK:
                break
        self._buffer, self._at, self._counted = "".join(chunk), 0, 0
        return length > 0
