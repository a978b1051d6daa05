"""Spans, tags and labels in pure Python; every other package builds on this one."""

from hybridner.spans.entity import Record, Span, Unsure, checked_record
from hybridner.spans.labels import NON_ENTITY, Label, LabelSet
from hybridner.spans.resolve import RESOLVERS, best_flat, best_nested
from hybridner.spans.tags import spans_to_tags, tag_names

__all__ = [
    "NON_ENTITY",
    "RESOLVERS",
    "Label",
    "LabelSet",
    "Record",
    "Span",
    "Unsure",
    "best_flat",
    "best_nested",
    "checked_record",
    "spans_to_tags",
    "tag_names",
]
