"""CMeEE of CBLUE: entities with `start_idx` and `end_idx` (the end inclusive), `type`, and the word as `entity`."""

from __future__ import annotations

from hybridner.data.formats.base import Conventions, Format
from hybridner.data.formats.json_records import fields_parser, json_reader, recognizer

FORMAT = Format(
    "cmeee",
    "CMeEE of CBLUE: entities with start_idx and end_idx, the end inclusive",
    json_reader(fields_parser("index-objects", expected="`entities` with start_idx, end_idx and type")),
    Conventions(offsets="inclusive", repairs=frozenset({"empty_span"})),
    recognizer("index-objects", "holds objects with start_idx and end_idx"),
)
