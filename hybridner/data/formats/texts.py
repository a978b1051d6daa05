"""Texts without entities as JSON objects, such as a test set that was published without its labels."""

from __future__ import annotations

from hybridner.data.formats.base import Format, JsonObject, RawRecord
from hybridner.data.formats.json_fields import find_annotations, find_text
from hybridner.data.formats.json_records import json_reader
from hybridner.data.options import ReadOptions
from hybridner.errors import DataError


def _parse(item: JsonObject, where: str, id: str, options: ReadOptions) -> RawRecord:
    found = find_annotations(item, where)
    if found is not None and found.form != "none":
        raise DataError(
            f"`{found.field}` in a file whose first records have no entities; give the format by name if that is meant", where
        )
    return RawRecord(find_text(item, where, options), (), where, id, str(item.get("group") or ""))


def _recognize(item: JsonObject) -> str:
    return "" if find_annotations(item, "") is not None else "its objects have a text and nothing that looks like annotations"


FORMAT = Format("texts", "JSON objects with a text and no entities", json_reader(_parse), recognize=_recognize)
