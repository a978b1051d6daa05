"""Doccano in all its generations, and others who write lists: ``{"text": ..., "label": [[0, 3, "LOC"]]}``.

The text stands under `text` or `data`; the entities under `label`, `labels` or `entities` as lists, under `entities` as objects
with start_offset and end_offset, or under `annotations` as such objects whose labels are numbers. Their names are then taken from
the `label_config.json` that Doccano exports, where it lies in the same folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from hybridner.data.formats.base import BY_HAND, AnnotatedRecord, Conventions, Format, JsonObject, RawEntity, RawRecord
from hybridner.data.formats.json_fields import find_annotations
from hybridner.data.formats.json_records import fields_parser, id_fields, json_reader, write_lines
from hybridner.data.options import ReadOptions
from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError
from hybridner.files import read_json

LABEL_CONFIG = "label_config.json"

_parse_fields = fields_parser("offset-objects", "lists", expected="`label` with lists, or `entities` with start_offset")


def _parse(item: JsonObject, where: str, id: str, options: ReadOptions) -> RawRecord | None:
    if item.get("relations"):
        options.repairs.add("relations_left_out", where)
    return _parse_fields(item, where, id, options)


def _read(path: Path, options: ReadOptions) -> Iterator[RawRecord]:
    names: dict[int, str] | None = None
    for record in json_reader(_parse)(path, options):
        if any(type(entity.label) is int for entity in record.entities):
            names = _label_names(path.parent / LABEL_CONFIG) if names is None else names
            record = replace(record, entities=[_named(entity, names, record.where, options) for entity in record.entities])
        yield record


def _named(entity: RawEntity, names: dict[int, str], where: str, options: ReadOptions) -> RawEntity:
    if type(entity.label) is not int:
        return entity
    if names and entity.label not in names:
        raise DataError(f"label number {entity.label} is not in {LABEL_CONFIG}; export the labels again", where)
    if not names:
        options.repairs.add("label_numbers", where)
    return entity._replace(label=names.get(entity.label, str(entity.label)))


def _label_names(path: Path) -> dict[int, str]:
    """The name of each label number in Doccano's export of its labels; empty where there is none."""
    if not path.is_file():
        return {}
    try:
        return {int(label["id"]): str(label["text"]) for label in read_json(path)}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError("not a list of labels with `id` and `text`, as Doccano exports them", str(path)) from error


def _recognize(item: JsonObject) -> str:
    found = find_annotations(item, "")
    if found is None or found.form not in ("lists", "offset-objects"):
        return ""
    held = "lists [start, end, label]" if found.form == "lists" else "objects with start_offset and end_offset"
    return f"`{found.field}` holds {held}"


def _write(records: Iterable[AnnotatedRecord], path: Path, log: RepairLog, predictions: bool) -> int:
    items = (
        {**id_fields(record), "text": record.record.text, "label": [list(span) for span in record.record.entities]}
        for record in records
    )
    return write_lines(items, path)


FORMAT = Format(
    "doccano",
    "Doccano JSON lines of every generation: lists [start, end, label], or start_offset and end_offset",
    _read,
    Conventions(repairs=BY_HAND, utf16=True),
    _recognize,
    _write,
)
