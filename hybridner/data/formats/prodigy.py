"""Prodigy and spaCy: ``{"text": ..., "spans": [{"start": 0, "end": 2, "label": "PER"}], "answer": "accept"}``, or `ents`.

Examples that were rejected or ignored are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from hybridner.data.formats.base import AnnotatedRecord, Conventions, Format, JsonObject, RawRecord
from hybridner.data.formats.json_records import fields_parser, id_fields, json_reader, recognizer, score_fields, write_lines
from hybridner.data.options import ReadOptions
from hybridner.data.repairs import RepairLog

_parse_fields = fields_parser("objects", expected="`spans` with start, end and label", optional=lambda item: "answer" in item)


def _parse(item: JsonObject, where: str, id: str, options: ReadOptions) -> RawRecord | None:
    if item.get("answer", "accept") != "accept":
        options.repairs.add("rejected_task", where)
        return None
    if item.get("relations"):
        options.repairs.add("relations_left_out", where)
    record = _parse_fields(item, where, id, options)
    if record is None or "answer" not in item:
        return record
    # Somebody decided: what still has a model's score is what was accepted of its spans. Those that were removed are not known.
    proposed = [entity for entity in record.entities if entity.score is not None]
    decided = [entity._replace(score=None) for entity in record.entities]
    return replace(record, entities=decided, proposed=proposed or None)


def _items(records: Iterable[AnnotatedRecord], predictions: bool) -> Iterator[JsonObject]:
    for record in records:
        spans = [{**span._asdict(), **score_fields(record, span)} for span in record.record.entities]
        answer = {} if predictions else {"answer": "accept"}
        yield {**id_fields(record), "text": record.record.text, "spans": spans, **answer}


def _write(records: Iterable[AnnotatedRecord], path: Path, log: RepairLog, predictions: bool) -> int:
    return write_lines(_items(records, predictions), path)


FORMAT = Format(
    "prodigy",
    "Prodigy and spaCy: spans or ents with start, end and label",
    json_reader(_parse),
    Conventions(),
    recognizer("objects", "holds objects with start, end and label", fields=("spans", "ents")),
    _write,
)
