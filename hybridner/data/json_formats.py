"""JSON data files, one object a line or one array a file: our own schema, CLUENER, CMeEE, Doccano and bare texts.

Objects are read one at a time, so that memory does not grow with the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from hybridner.data.records import RawSpan, Reading
from hybridner.errors import DataError
from hybridner.spans import Record

JsonObject = Mapping[str, Any]

#: Characters read at a time from a file that is one JSON array.
_CHUNK = 1 << 18
#: Objects looked at before a file of nothing but empty entity lists is taken for our own schema.
_UNDECIDED = 1000
_NOT_SPACE = re.compile(r"\S")


def iter_objects(path: Path) -> Iterator[tuple[str, JsonObject]]:
    """(where it stands, the object) for each object of a JSON lines file or of one JSON array.

    Raises:
        DataError: broken JSON, or something other than an object.
    """
    with path.open(encoding="utf-8-sig") as handle:
        first = ""
        while not first.strip() and (character := handle.read(1)):
            first = character
        handle.seek(0)
        items = _array_items(handle, path) if first == "[" else _line_items(handle, path)
        for where, item in items:
            if not isinstance(item, dict):
                raise DataError(f"expected a JSON object, not {type(item).__name__}", where)
            yield where, item


def _line_items(handle: TextIO, path: Path) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(handle, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            yield where, json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"not JSON at column {error.colno}: {error.msg}", where) from error


def _array_items(handle: TextIO, path: Path) -> Iterator[tuple[str, Any]]:
    decode = json.JSONDecoder().raw_decode
    buffer, at, number, separator = "", 0, 0, "["
    line, counted = 1, 0  # `line` is the line number at buffer[counted]

    def place(position: int) -> str:
        nonlocal line, counted
        line, counted = line + buffer.count("\n", counted, position), position
        return f"{path}, record {number} (line {line})"

    def refill() -> bool:
        """Drop what was read and append the next chunk; False at the end of the file."""
        nonlocal buffer, at, counted
        place(at)
        chunk = handle.read(_CHUNK)
        buffer, at, counted = buffer[at:] + chunk, 0, 0
        return bool(chunk)

    def next_character() -> str:
        nonlocal at
        while True:
            found = _NOT_SPACE.search(buffer, at)
            at = found.start() if found else len(buffer)
            if at < len(buffer):
                return buffer[at]
            if not refill():
                raise DataError("the file ends inside its JSON array", place(at))

    while True:
        character = next_character()
        if character == "]" and number:
            return
        if character != separator:
            raise DataError(f"not JSON: expected {separator!r}, found {character!r}", place(at))
        at += 1
        if next_character() == "]" and not number:
            return
        separator = ","
        while True:
            try:
                item, end = decode(buffer, at)
                break
            except json.JSONDecodeError as error:
                # An object cut off by the end of the chunk looks broken too; only the file's end tells.
                problem, ahead = error.msg, error.pos - at
            if not refill():
                raise DataError(f"not JSON: {problem}", place(at + ahead))
        yield place(at), item
        at, number = end, number + 1


def detect_schema(path: Path) -> str:
    """The schema of a JSON file: jsonl, cluener, cmeee, doccano or texts.

    Raises:
        DataError: the objects have none of the known forms.
    """
    schema = ""
    for seen, (where, item) in enumerate(iter_objects(path)):
        decided, schema = _schema_of(item, where)
        if decided or seen >= _UNDECIDED:
            break
    if not schema:
        raise DataError("the file holds no record", str(path))
    return schema


def _schema_of(item: JsonObject, where: str) -> tuple[bool, str]:
    if "text" not in item:
        raise DataError(f"unknown format: an object with the fields {', '.join(item) or '(none)'} but no `text`", where)
    labels = item.get("label", item.get("labels"))
    if isinstance(labels, dict):
        return True, "cluener"
    if isinstance(labels, list):
        return True, "doccano"
    if "entities" not in item:
        return False, "texts"
    entities = item["entities"]
    if entities == []:
        return False, "jsonl"
    if isinstance(entities, list) and isinstance(entities[0], dict):
        for key, schema in (("start_idx", "cmeee"), ("start_offset", "doccano"), ("start", "jsonl")):
            if key in entities[0]:
                return True, schema
    raise DataError(
        "unknown format: `entities` must be a list of objects with start and end, start_idx and end_idx, "
        "or start_offset and end_offset",
        where,
    )


def iter_json(path: Path, schema: str, reading: Reading) -> Iterator[Record]:
    """The records of a JSON file in one of `SCHEMAS`."""
    parse = SCHEMAS[schema]
    for number, (where, item) in enumerate(iter_objects(path)):
        yield parse(item, where, str(item["id"]) if "id" in item else reading.numbered_id(path, number), reading)


def _field(item: JsonObject, name: str, kind: type, where: str) -> Any:
    value = item.get(name)
    if not isinstance(value, kind):
        found = f"is {type(value).__name__}" if name in item else "is missing"
        raise DataError(f"`{name}` must be a {kind.__name__}, but {found}", where)
    return value


def _objects(item: JsonObject, keys: tuple[str, str, str], where: str) -> Iterator[tuple[str, JsonObject]]:
    for number, entity in enumerate(_field(item, "entities", list, where)):
        at = f"{where}, entity {number}"
        if not isinstance(entity, dict):
            raise DataError(f"an entity must be an object, not {type(entity).__name__}", at)
        missing = [key for key in keys if key not in entity]
        if missing:
            raise DataError(f"`{missing[0]}` is missing", at)
        yield at, entity


def _parse_jsonl(item: JsonObject, where: str, id: str, reading: Reading) -> Record:
    spans = [(e["start"], e["end"], e["label"]) for _, e in _objects(item, ("start", "end", "label"), where)]
    return reading.record(item.get("text"), spans, where=where, id=id, group=str(item.get("group", "")))


def _parse_texts(item: JsonObject, where: str, id: str, reading: Reading) -> Record:
    annotated = {"entities", "label", "labels"} & set(item)
    if annotated:
        raise DataError(f"`{annotated.pop()}` in a file whose first records have no entities; give the format by name", where)
    return reading.record(item.get("text"), (), where=where, id=id, group=str(item.get("group", "")))


def _parse_cluener(item: JsonObject, where: str, id: str, reading: Reading) -> Record:
    text = _field(item, "text", str, where)
    return reading.record(text, _cluener_spans(text, _field(item, "label", dict, where), where), where=where, id=id)


def _cluener_spans(text: str, labels: JsonObject, where: str) -> Iterator[RawSpan]:
    for label, surfaces in labels.items():
        if not isinstance(surfaces, dict):
            raise DataError("expected {surface: [[first, last], ...]}", f"{where}, label.{label}")
        for surface, places in surfaces.items():
            at = f"{where}, label.{label}.{surface}"
            for place in places:
                if not (isinstance(place, list) and len(place) == 2 and all(type(offset) is int for offset in place)):
                    raise DataError(f"expected [first, last], not {place!r}", at)
                _same_surface(text, place[0], place[1] + 1, surface, at)
                yield place[0], place[1] + 1, label


def _same_surface(text: str, start: int, end: int, surface: str, where: str) -> None:
    if text[start:end] != surface:
        raise DataError(f"the text at [{start}, {end}) is {text[start:end]!r}, not {surface!r}", where)


def _parse_cmeee(item: JsonObject, where: str, id: str, reading: Reading) -> Record:
    text = _field(item, "text", str, where)
    spans: list[RawSpan] = []
    for at, entity in _objects(item, ("start_idx", "end_idx", "type"), where):
        start, last = entity["start_idx"], entity["end_idx"]
        if type(start) is not int or type(last) is not int:
            raise DataError(f"`start_idx` and `end_idx` must be whole numbers, not {start!r} and {last!r}", at)
        if "entity" in entity:
            _same_surface(text, start, last + 1, entity["entity"], at)
        spans.append((start, last + 1, entity["type"]))
    return reading.record(text, spans, where=where, id=id, known=frozenset({"empty_span"}))


def _parse_doccano(item: JsonObject, where: str, id: str, reading: Reading) -> Record:
    labels = item.get("label", item.get("labels"))
    spans: list[RawSpan] = []
    if labels is None:
        keys = ("start_offset", "end_offset", "label")
        spans += [(e["start_offset"], e["end_offset"], e["label"]) for _, e in _objects(item, keys, where)]
    elif isinstance(labels, list):
        for number, entry in enumerate(labels):
            if not (isinstance(entry, list) and len(entry) == 3):
                raise DataError(f"expected [start, end, label], not {entry!r}", f"{where}, entity {number}")
            spans.append((entry[0], entry[1], entry[2]))
    else:
        raise DataError(f"`label` must be a list, not {type(labels).__name__}", where)
    if item.get("relations"):
        reading.repairs.add("relations_left_out", where)
    known = frozenset({"empty_span", "out_of_range", "edge_space"})
    return reading.record(item.get("text"), spans, where=where, id=id, known=known)


Parser = Callable[[JsonObject, str, str, Reading], Record]

#: How to read an object of each schema: (object, where, id if it has none, reading) to record.
SCHEMAS: dict[str, Parser] = {
    "jsonl": _parse_jsonl,
    "texts": _parse_texts,
    "cluener": _parse_cluener,
    "cmeee": _parse_cmeee,
    "doccano": _parse_doccano,
}


def write_jsonl(records: Iterable[Record], path: str | Path) -> int:
    """Write records as JSON lines in our own schema (end exclusive); returns how many.

    An empty `id` or `group` is left out.
    """
    return write_lines(map(_jsonl_item, records), path)


def write_cluener(records: Iterable[Record], path: str | Path) -> int:
    """Write records as CLUENER JSON lines (end inclusive), the form its leaderboard takes; returns how many."""
    items = ({"id": record.id, "text": record.text, "label": _cluener_labels(record)} for record in records)
    return write_lines(items, path)


def write_lines(items: Iterable[JsonObject], path: str | Path) -> int:
    written = 0
    with Path(path).open("w", encoding="utf-8") as handle:
        for item in items:
            handle.write(json.dumps(item, ensure_ascii=False) + "\n")
            written += 1
    return written


def _jsonl_item(record: Record) -> JsonObject:
    names = {key: value for key, value in (("id", record.id), ("group", record.group)) if value}
    return {**names, "text": record.text, "entities": [span._asdict() for span in record.entities]}


def _cluener_labels(record: Record) -> dict[str, dict[str, list[list[int]]]]:
    labels: dict[str, dict[str, list[list[int]]]] = {}
    for start, end, label in record.entities:
        labels.setdefault(label, {}).setdefault(record.text[start:end], []).append([start, end - 1])
    return labels
