"""Labelled sentences in the forms that the trainer takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hybridner.data import ReadOptions
from hybridner.data.formats.columns import read_dataset
from hybridner.data.records import build_record
from hybridner.spans import Record


def to_records(dataset: Iterable[Any]) -> list[Record]:
    """Records as they are, or those of a `datasets.Dataset` (or any rows) with the columns `text` and `entities`.

    Raises:
        DataError: a row without these columns, or with a span outside its text.
    """
    if isinstance(dataset, Sequence) and all(isinstance(row, Record) for row in dataset):
        return list(dataset)
    options = ReadOptions()
    return [build_record(raw, options) for raw in read_dataset(dataset, Path("dataset"), options)]
