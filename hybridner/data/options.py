"""How a file is read: what its user can say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hybridner.data.offsets import OFFSETS, Offsets
from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError


@dataclass(frozen=True)
class ReadOptions:
    """What one reading of a file needs to know beside the file.

    Attributes:
        repairs: counts the repairs; a strict log makes them errors.
        label_map: the new name of every label, or None for a label that is left out. Without a map labels stay as they are.
        prefix: begins the id of records that have none of their own, in place of the file's name.
        offsets: how offsets are counted; by default as the format has them, see `hybridner.data.offsets`.
        text_field: the field of the text in a JSON object, where it has none of the usual names.
        encoding: of a text file, where it is not found out rightly.
        predictions: take what a model had proposed in place of what people decided, where a file keeps both.

    Examples:
        >>> options = ReadOptions(RepairLog(strict=True), label_map={"State": "国家", "Place": None})
        >>> next(iter_annotated("train.jsonl", options=options)).record.entities
        (Span(start=0, end=3, label='国家'),)
    """

    repairs: RepairLog = field(default_factory=RepairLog)
    label_map: Mapping[str, str | None] | None = None
    prefix: str = ""
    offsets: Offsets | None = None
    text_field: str = ""
    encoding: str | None = None
    predictions: bool = False

    def __post_init__(self) -> None:
        if self.offsets is not None and self.offsets not in OFFSETS:
            raise DataError(f"offsets must be one of {', '.join(OFFSETS)}, not {self.offsets!r}")

    def numbered_id(self, path: Path, number: int) -> str:
        """The id of a record that has none of its own: the file's name and the record's number from 0."""
        return f"{self.prefix or path.stem}-{number}"
