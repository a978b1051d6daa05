"""CLUENER 2020, JSON lines: ``{"text": ..., "label": {"name": {"叶老桂": [[9, 11]]}}}``, the end inclusive."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hybridner.data.formats.base import AnnotatedRecord, Conventions, Format
from hybridner.data.formats.json_records import fields_parser, json_reader, recognizer, write_lines
from hybridner.data.repairs import RepairLog
from hybridner.spans import Record


def write_cluener(records: Iterable[Record], path: str | Path) -> int:
    """Write records as CLUENER JSON lines (end inclusive), the form its leaderboard takes.

    Args:
        records: in the order to be written.
        path: the file to write.

    Returns:
        how many were written.

    Examples:
        >>> write_cluener(records, "cluener.json")
        24
    """
    items = ({"id": record.id, "text": record.text, "label": _labels(record)} for record in records)
    return write_lines(items, path)


def _write(records: Iterable[AnnotatedRecord], path: Path, log: RepairLog, predictions: bool) -> int:
    return write_cluener((annotated.record for annotated in records), path)


def _labels(record: Record) -> dict[str, dict[str, list[list[int]]]]:
    labels: dict[str, dict[str, list[list[int]]]] = {}
    for start, end, label in record.entities:
        labels.setdefault(label, {}).setdefault(record.text[start:end], []).append([start, end - 1])
    return labels


FORMAT = Format(
    "cluener",
    "CLUENER 2020: label to word to places, the end inclusive",
    json_reader(fields_parser("by-label", expected="`label`, an object of labels, words and places")),
    Conventions(offsets="inclusive"),
    recognizer("by-label", "holds words and places under each label"),
    _write,
)
