"""Data sets in columns: Parquet files and folders saved with `datasets.save_to_disk`, in the common schema.

The schema is ``id, text, entities: [{start, end, label}]``, where a label is a ClassLabel number or a name. An id of the form
``DOCUMENT:PLACE`` gives the record's group.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybridner.data.decoding import check_readable
from hybridner.data.formats.base import Format, RawEntity, RawRecord
from hybridner.data.formats.json_fields import read_score
from hybridner.data.options import ReadOptions
from hybridner.errors import DataError
from hybridner.files import read_json

#: Rows held in memory at a time.
_ROWS = 1000


def is_parquet(path: Path) -> bool:
    """Whether a file begins with Parquet's mark.

    Raises:
        DataError: it cannot be opened.
    """
    check_readable(path)
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def read_parquet(path: Path, options: ReadOptions) -> Iterator[RawRecord]:
    """The records of one Parquet file."""
    import pyarrow

    try:
        features, rows = iter_column_rows(path)
        yield from _records(rows, label_names(features), path, options)
    except pyarrow.ArrowException as error:
        raise DataError(f"cannot be read as Parquet: {error}", str(path)) from error


def iter_column_rows(path: Path) -> tuple[Any, Iterator[Any]]:
    """The features of a Parquet file or a folder of `Dataset.save_to_disk`, as `datasets` writes them down, and its rows."""
    if path.is_dir():
        from datasets import Dataset

        saved = Dataset.load_from_disk(str(path))
        return saved.features.to_dict(), iter(saved)
    import pyarrow.parquet as parquet

    file = parquet.ParquetFile(path)
    metadata = json.loads((file.schema_arrow.metadata or {}).get(b"huggingface", b"{}"))
    rows = (row for batch in file.iter_batches(batch_size=_ROWS) for row in batch.to_pylist())
    return metadata.get("info", {}).get("features", {}), rows


def read_saved(path: Path, options: ReadOptions) -> Iterator[RawRecord]:
    """The records of one folder that `Dataset.save_to_disk` wrote; it is read by memory mapping."""
    features, rows = iter_column_rows(path)
    return _records(rows, label_names(features), path, options)


def read_dataset(dataset: Any, path: Path, options: ReadOptions) -> Iterator[RawRecord]:
    """The records of a `datasets.Dataset`, or of any rows with the columns of the common schema; `path` stands in messages."""
    features = getattr(dataset, "features", None)
    names = () if features is None else label_names(features.to_dict())
    return _records(iter(dataset), names, path, options)


def saved_splits(path: Path) -> list[str]:
    """The split names of a folder that `DatasetDict.save_to_disk` wrote."""
    return list(read_json(path / "dataset_dict.json")["splits"])


def label_names(features: Any, column: str = "entities") -> Sequence[str]:
    """The ClassLabel names somewhere in the feature of a column, whichever way its list is written; none for plain strings."""
    pending = [features.get(column)] if isinstance(features, Mapping) else []
    while pending:
        feature = pending.pop()
        if isinstance(feature, Mapping):
            if feature.get("_type") == "ClassLabel":
                return list(feature["names"])
            pending += feature.values()
        elif isinstance(feature, (list, tuple)):
            pending += feature
    return ()


def _records(rows: Iterator[Any], names: Sequence[str], path: Path, options: ReadOptions) -> Iterator[RawRecord]:
    for number, row in enumerate(rows):
        where = f"{path}, row {number}"
        if "text" not in row or "entities" not in row:
            raise DataError(f"expected the columns id, text and entities, found {', '.join(row)}", where)
        entities = row["entities"] or []
        # Older versions of `datasets` hold a sequence of structs as a struct of sequences.
        if isinstance(entities, Mapping):
            entities = [dict(zip(entities, values, strict=True)) for values in zip(*entities.values(), strict=True)]
        id = str(row["id"]) if "id" in row else options.numbered_id(path, number)
        document, colon, _ = id.rpartition(":")
        raw = [
            RawEntity(one["start"], one["end"], _name(one["label"], names, where), one.get("word"), read_score(one))
            for one in entities
        ]
        yield RawRecord(row["text"], raw, where, id, document if colon else "")


def _name(label: Any, names: Sequence[str], where: str) -> str:
    if isinstance(label, str):
        return label
    if not isinstance(label, int) or not 0 <= label < len(names):
        raise DataError(f"label number {label!r} has no name among the {len(names)} of the features", where)
    return names[label]


PARQUET = Format("parquet", "Parquet with the columns id, text and entities", read_parquet)
SAVED = Format("saved", "a folder that save_to_disk of datasets wrote", read_saved)
