"""Records into files of the formats that can be written, and from one format to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from hybridner.data.formats import WRITABLE, get_format
from hybridner.data.formats.base import AnnotatedRecord
from hybridner.data.options import ReadOptions
from hybridner.data.reading import iter_annotated
from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError
from hybridner.spans import Record

#: Records held while it is found out whether their entities are a model's.
_UNDECIDED = 1000


def write_records(
    records: Iterable[AnnotatedRecord | Record],
    path: str | Path,
    format: str,
    *,
    repairs: RepairLog | None = None,
    predictions: bool = False,
) -> int:
    """Write records in a format; the file (or brat's folder) is there only when everything went well. Returns how many.

    Args:
        records: with what a model said about their entities, where they come from one.
        path: the file to write, or for brat the folder to make.
        format: one of `WRITABLE`.
        repairs: counts what the format cannot hold; without one that is written to the program's log.
        predictions: the entities are a model's, to be reviewed in a tool, and not decided.

    Raises:
        DataError: a format that cannot be written, or records that it cannot hold at all.
        OutputError: the path cannot be written to.

    Examples:
        >>> write_records(records, "train.bio", "conll")
        24
    """
    write = get_format(format).write
    if write is None:
        raise DataError(f"the format {format} can only be read; these can be written: {', '.join(WRITABLE)}")
    log = repairs if repairs is not None else RepairLog()
    annotated = (record if isinstance(record, AnnotatedRecord) else AnnotatedRecord(record) for record in records)
    written = write(annotated, Path(path), log, predictions)
    if repairs is None:
        log.report()
    return written


def convert(
    source: str | Path,
    target: str | Path,
    to: str,
    *,
    format: str | None = None,
    options: ReadOptions | None = None,
) -> int:
    """Write the records of one file into another of another format; returns how many.

    Entities that come with a model's scores are written to be reviewed: as predictions of Label Studio, suggestions of Argilla,
    tasks of Prodigy without an answer.

    Args:
        source: a file of any format that can be read.
        target: the file to write, or for brat the folder to make.
        to: one of `WRITABLE`.
        format: of the source; found from its content when not given.
        options: how it is read; with `predictions` a model's proposals are taken, and written as such.

    Raises:
        DataError: whatever is wrong with the source, or a target that is the source itself.

    Examples:
        >>> convert("train.jsonl", "train.bio", to="conll")
        24
    """
    given, options = options, options or ReadOptions()
    if Path(target).exists() and Path(source).exists() and Path(target).samefile(source):
        raise DataError("is the source itself; write to another file", str(target))
    predictions, records = _are_predictions(iter_annotated(source, format, options))
    written = write_records(records, target, to, repairs=options.repairs, predictions=predictions or options.predictions)
    if given is None:
        options.repairs.report()
    return written


def _are_predictions(records: Iterator[AnnotatedRecord]) -> tuple[bool, Iterator[AnnotatedRecord]]:
    """Whether the first record with entities has a model's scores, and all the records again."""
    seen: list[AnnotatedRecord] = []
    for record in records:
        seen.append(record)
        if record.record.entities or len(seen) >= _UNDECIDED:
            return bool(record.scores), chain(seen, records)
    return False, chain(seen, records)
