"""hybridner's own form, JSON lines: ``{"id": ..., "text": ..., "entities": [{"start": 0, "end": 3, "label": "..."}]}``.

`start` and `end` count characters from 0, the end exclusive. What `hybridner predict --json` prints is in this form too, with
scores; so is, under other names of the fields, what many scripts write.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hybridner.data.formats.base import AnnotatedRecord, Conventions, Format, JsonObject, RawRecord
from hybridner.data.formats.json_fields import find_annotations
from hybridner.data.formats.json_records import fields_parser, id_fields, json_reader, recognizer, score_fields, write_lines
from hybridner.data.options import ReadOptions
from hybridner.data.repairs import RepairLog
from hybridner.spans import Record

_parse_fields = fields_parser("objects", expected="`entities` with start, end and label")


def _parse(item: JsonObject, where: str, id: str, options: ReadOptions) -> RawRecord | None:
    found = find_annotations(item, where)
    if found is None or not isinstance(found.value, list):
        return _parse_fields(item, where, id, options)
    kept = [entity for entity in found.value if not (isinstance(entity, dict) and entity.get("review") == "deleted")]
    for _ in range(len(found.value) - len(kept)):
        options.repairs.add("deleted_entity", where)
    return _parse_fields({**item, found.field: kept} if kept else {**item, found.field: []}, where, id, options)


def _items(records: Iterable[AnnotatedRecord]) -> Iterable[JsonObject]:
    for record in records:
        entities = [{**span._asdict(), **score_fields(record, span)} for span in record.record.entities]
        yield {**id_fields(record), "text": record.record.text, "entities": entities}


def _write(records: Iterable[AnnotatedRecord], path: Path, log: RepairLog, predictions: bool) -> int:
    return write_lines(_items(records), path)


def write_jsonl(records: Iterable[Record], path: str | Path) -> int:
    r"""Write records as JSON lines in our own form (end exclusive).

    An empty `id` or `group` is left out. The file is there only when everything went well.

    Args:
        records: in the order to be written.
        path: the file to write.

    Returns:
        how many were written.

    Examples:
        >>> write_jsonl([Record("北约", (Span(0, 2, "State"),))], "one.jsonl")
        1
        >>> Path("one.jsonl").read_text(encoding="utf-8")
        '{"text": "北约", "entities": [{"start": 0, "end": 2, "label": "State"}]}\n'
    """
    return write_lines(_items(AnnotatedRecord(record) for record in records), path)


FORMAT = Format(
    "jsonl",
    "hybridner's own JSON lines: entities with start, end and label",
    json_reader(_parse),
    Conventions(),
    recognizer("objects", "holds objects with start, end and label"),
    _write,
)
