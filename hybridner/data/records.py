"""From the raw spans of any format to a checked record: repairs by rule, then the label map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError
from hybridner.spans import Record, checked_record

RawSpan = tuple[int, int, str]


@dataclass(frozen=True)
class Reading:
    """What one reading of a file needs to know beside the file.

    Attributes:
        repairs: counts the repairs; a strict log makes them errors.
        label_map: the new name of every label, or None for a label that is left out. Without a map labels stay as they are.
        prefix: begins the id of records that have none of their own, in place of the file's name.
    """

    repairs: RepairLog = field(default_factory=RepairLog)
    label_map: Mapping[str, str | None] | None = None
    prefix: str = ""

    def numbered_id(self, path: Path, number: int) -> str:
        """The id of a record that has none of its own: the file's name and the record's number from 0."""
        return f"{self.prefix or path.stem}-{number}"

    def record(
        self,
        text: object,
        spans: Iterable[RawSpan],
        *,
        where: str,
        id: str = "",
        group: str = "",
        known: frozenset[str] = frozenset(),
    ) -> Record:
        """The record of a text and its raw spans (end exclusive).

        Args:
            known: the rules that this format's files are known to need. What they do not cover is an error.

        Raises:
            DataError: an unknown defect, an unmapped label, or any repair in a strict reading.
        """
        if not isinstance(text, str):
            raise DataError(f"`text` must be a string, not {type(text).__name__}", where)
        seen: set[RawSpan] = set()
        kept: list[RawSpan] = []
        for number, raw in enumerate(spans):
            at = f"{where}, entity {number}"
            span = self._repaired(text, raw, at, known)
            if span is None:
                continue
            if span in seen:
                self.repairs.add("duplicate_entity", at)
                continue
            seen.add(span)
            kept.append(span)
        if self.label_map is not None:
            kept = self._mapped(kept, where)
        return checked_record(text, kept, id=id, group=group, where=where)

    def _repaired(self, text: str, span: RawSpan, where: str, known: frozenset[str]) -> RawSpan | None:
        start, end, label = span
        if not known or type(start) is not int or type(end) is not int:
            return span
        if end == start and "empty_span" in known:
            self.repairs.add("empty_span", where)
            return None
        if 0 <= start < end and end > len(text) and "out_of_range" in known:
            self.repairs.add("out_of_range", where)
            return None
        if "edge_space" in known and 0 <= start < end:
            word = text[start:end]
            if not word.strip():
                self.repairs.add("only_space", where)
                return None
            if word != word.strip():
                self.repairs.add("edge_space", where)
                start += len(word) - len(word.lstrip())
                end -= len(word) - len(word.rstrip())
        return start, end, label

    def _mapped(self, spans: list[RawSpan], where: str) -> list[RawSpan]:
        assert self.label_map is not None
        mapped: list[RawSpan] = []
        for start, end, label in spans:
            if label not in self.label_map:
                raise DataError(f"unknown label {label!r}; known are {', '.join(self.label_map)}", where)
            name = self.label_map[label]
            if name is None:
                self.repairs.add("unmapped_label", where)
            elif (start, end, name) in mapped:
                self.repairs.add("merged_by_map", where)
            else:
                mapped.append((start, end, name))
        return mapped
