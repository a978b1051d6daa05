"""Reading and writing records as JSON objects: what the formats of objects with a text and one field of annotations share."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from hybridner.data.formats.base import AnnotatedRecord, JsonObject, RawEntity, RawRecord
from hybridner.data.formats.json_fields import find_annotations, find_text, raw_entities
from hybridner.data.formats.json_stream import iter_objects
from hybridner.data.options import ReadOptions
from hybridner.data.repairs import RULES
from hybridner.errors import DataError
from hybridner.files import atomic_write
from hybridner.text.surrogates import replace_surrogates

logger = logging.getLogger(__name__)

#: (object, where it stands, id if it has none of its own, options) to record; None for one that is left out and counted.
Parser = Callable[[JsonObject, str, str, ReadOptions], "RawRecord | None"]


def json_reader(parse: Parser) -> Callable[[Path, ReadOptions], Iterator[RawRecord]]:
    """A reader of files whose objects `parse` takes one by one."""

    def read(path: Path, options: ReadOptions) -> Iterator[RawRecord]:
        for number, (where, item) in enumerate(iter_objects(path, options.encoding)):
            record = parse(item, where, find_id(item, options.numbered_id(path, number)), options)
            if record is not None:
                yield record

    return read


def find_id(item: JsonObject, default: str = "") -> str:
    """The id an object gives itself."""
    return next((str(item[key]) for key in ("id", "doc_id") if item.get(key) not in (None, "")), default)


def fields_parser(*forms: str, expected: str, optional: Callable[[JsonObject], bool] = lambda item: False) -> Parser:
    """A parser of objects with a text and one field of annotations.

    Args:
        forms: of annotations that the format has; see `Annotations`.
        expected: the field of the format, for messages.
        optional: whether an object may lack that field.
    """

    def parse(item: JsonObject, where: str, id: str, options: ReadOptions) -> RawRecord:
        text = find_text(item, where, options)
        annotations = find_annotations(item, where)
        entities: tuple[RawEntity, ...] = ()
        if annotations is None:
            if not optional(item):
                raise DataError(f"no annotations here: {expected} is missing, though other records have it", where)
        elif annotations.form in forms:
            entities = tuple(raw_entities(annotations, where))
        elif annotations.form != "none":
            raise DataError(
                f"`{annotations.field}` is of another form ({annotations.form}) than the records before ({expected}); keep "
                "records of one form in one file",
                where,
            )
        return RawRecord(text, entities, where, id, str(item.get("group") or ""))

    return parse


def recognizer(form: str, why: str, fields: tuple[str, ...] = ()) -> Callable[[JsonObject], str]:
    """Recognizes objects by the form of their annotations, and where `fields` are given also by the name of their field."""

    def recognize(item: JsonObject) -> str:
        found = find_annotations(item, "")
        fits = found is not None and found.form == form and (not fields or found.field in fields)
        return f"`{found.field}` {why}" if found is not None and fits else ""

    return recognize


def write_lines(items: Iterable[JsonObject], path: str | Path) -> int:
    """Write objects as JSON lines; the file is there only when everything went well. Returns how many."""
    return _write(items, path, "", "\n", "\n", "")


def write_array(items: Iterable[JsonObject], path: str | Path) -> int:
    """Write objects as one JSON array, an object a line; the file is there only when everything went well. Returns how many."""
    return _write(items, path, "[\n", ",\n", "\n", "]\n")


def _write(items: Iterable[JsonObject], path: str | Path, begin: str, between: str, last: str, end: str) -> int:
    written = halves = 0
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.write(begin)
        for item in items:
            line, replaced = replace_surrogates(json.dumps(item, ensure_ascii=False))
            file.write((between if written else "") + line)
            written, halves = written + 1, halves + replaced
        file.write((last if written else "") + end)
    if halves:
        logger.warning(f"{path}: lone_surrogate: {halves} times ({RULES['lone_surrogate'].done})")
    return written


def id_fields(record: AnnotatedRecord) -> dict[str, Any]:
    """`id` and `group`, as far as the record has them."""
    return {key: value for key, value in (("id", record.record.id), ("group", record.record.group)) if value}


def score_fields(record: AnnotatedRecord, span: Any) -> dict[str, Any]:
    """What a model said about a span, as fields of its object."""
    score = record.scores.get(span)
    return {} if score is None else {key: value for key, value in score._asdict().items() if value is not None}
