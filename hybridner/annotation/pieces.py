"""What the pieces of a file hold: texts to read, and records that cannot be read with the reason why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from hybridner.annotation.cutting import CHUNK, FilePiece, changed, stamp_of
from hybridner.annotation.records import Fields, Item, Reject, checked, checked_text, shown
from hybridner.errors import DataError

#: A line of more bytes is no record.
_LONGEST_LINE = 64 << 20
#: Rows of a Parquet file held at a time.
_ROWS = 1024


def read_piece(piece: FilePiece, kind: str, fields: Fields) -> Iterator[Item | Reject]:
    """The records of a piece. Nothing of it may be used before the last one has come, which says that all is as it was.

    Raises:
        DataError: the file has changed, is gone or is damaged.
    """
    read = {"text": _read_text, "jsonl": _read_jsonl, "parquet": _read_parquet}[kind]
    try:
        yield from read(piece, fields, Path(piece.source).stem)
    except FileNotFoundError as error:
        raise changed(piece.source, "has gone") from error
    except (OSError, pa.ArrowException) as error:
        rows = f"records {piece.first} to {piece.first + piece.records - 1}"
        problem = " ".join(str(error).split())
        raise DataError(f"{rows} cannot be read: {problem}; what is finished is kept", piece.source) from error


def _lines(piece: FilePiece) -> Iterator[tuple[int, bytes | None]]:
    """Number and content of each line without its end; None for one that is too long to be looked at."""
    digest = hashlib.blake2b(digest_size=16)
    with Path(piece.source).open("rb") as file:
        file.seek(piece.begin)
        for number in range(piece.first, piece.first + piece.records):
            line = file.readline(_LONGEST_LINE)
            digest.update(line)
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                while rest := file.readline(_LONGEST_LINE):
                    digest.update(rest)
                    if rest.endswith(b"\n"):
                        break
                yield number, None
                continue
            if piece.encoding == "utf-8":
                # A mark inside a file comes from files that were put together.
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield number, line.removesuffix(b"\n").removesuffix(b"\r")
    if digest.hexdigest() != piece.digest:
        raise changed(piece.source, "has been changed")


def _decoded(piece: FilePiece) -> Iterator[tuple[int, str] | Reject]:
    """Lines that hold something, as text."""
    for number, line in _lines(piece):
        if line is None:
            yield Reject(number, f"the line has more than {_LONGEST_LINE} bytes", "")
            continue
        try:
            text = line.decode(piece.encoding)
        except UnicodeDecodeError as error:
            name = "UTF-8" if piece.encoding == "utf-8" else piece.encoding
            reason = f"not {name} at byte {error.start} of the line: {error.reason}"
            yield Reject(number, reason, shown(line.decode("utf-8", "backslashreplace")))
            continue
        if text.strip():
            yield number, text


def _read_text(piece: FilePiece, fields: Fields, stem: str) -> Iterator[Item | Reject]:
    for line in _decoded(piece):
        yield line if isinstance(line, Reject) else checked_text(line[1], line[0], f"{stem}-{line[0]}", fields.longest)


def _read_jsonl(piece: FilePiece, fields: Fields, stem: str) -> Iterator[Item | Reject]:
    for line in _decoded(piece):
        yield line if isinstance(line, Reject) else _parsed(*line, fields, stem)


def _parsed(number: int, line: str, fields: Fields, stem: str) -> Item | Reject:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Reject(number, f"not JSON: {error}", shown(line))
    if not isinstance(record, dict):
        return Reject(number, f"a JSON {type(record).__name__}, not an object", shown(line))
    found = checked(record, number, fields, stem)
    return found._replace(record=shown(line)) if isinstance(found, Reject) else found


def _read_parquet(piece: FilePiece, fields: Fields, stem: str) -> Iterator[Item | Reject]:
    if stamp_of(Path(piece.source)) != piece.digest:
        raise changed(piece.source, "has been written to")
    file = pq.ParquetFile(piece.source, buffer_size=CHUNK)
    skip, left, number = piece.end, piece.records, piece.first
    for batch in file.iter_batches(_ROWS, row_groups=[piece.begin], columns=fields.names):
        if skip >= batch.num_rows:
            skip -= batch.num_rows
            continue
        for row in batch.slice(skip, left).to_pylist():
            yield checked(row, number, fields, stem)
            number += 1
            left -= 1
        skip = 0
        if not left:
            return
