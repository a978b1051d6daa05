"""Where a file is cut into pieces, and what says that it is still the same file."""

from __future__ import annotations

import codecs
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hybridner.annotation.records import Fields
from hybridner.annotation.sources import Piece, piece_key
from hybridner.data.decoding import check_not_binary, detect_encoding_of
from hybridner.errors import DataError

#: A piece ends after so many bytes even when it has few records.
_PIECE_BYTES = 32 << 20
#: Bytes read at a time.
CHUNK = 1 << 20
#: Lines at the beginning that show whether a file is JSON lines.
_FIRST = 100


@dataclass(frozen=True)
class FilePiece(Piece):
    """A piece of a file.

    Attributes:
        encoding: of a text or JSON-lines file.
        first: the number of its first line or row in the file, from 0.
        begin, end: of a text or JSON-lines file, its bytes; of a Parquet file, its row group and the row in that.
        digest: of these bytes; of a Parquet file, `stamp`.
    """

    encoding: str
    first: int
    begin: int
    end: int
    digest: str


@dataclass(frozen=True)
class CutFile:
    """A file as it was when it was cut.

    Attributes:
        path: where it lies.
        records: its lines or rows.
        sha256: of its content; of a Parquet file, of its footer, which tells sizes and places of everything in it.
        stamp: size and times on the disk, which change when somebody writes to it.
        pieces: in their order.
    """

    path: Path
    records: int
    sha256: str
    stamp: str
    pieces: tuple[FilePiece, ...]


def cut_file(path: Path, kind: str, number: int, fields: Fields, per_piece: int) -> CutFile:
    """Read a file through once and cut it.

    Args:
        path: the file.
        kind: a key of `hybridner.annotation.KINDS`.
        number: of the file among the inputs.
        fields: what will be taken of each record.
        per_piece: records of a piece.

    Raises:
        DataError: it cannot be read, or is of another kind.
    """
    try:
        stamp = stamp_of(path)
        if kind == "parquet":
            return _cut_parquet(path, stamp, number, fields, per_piece)
        encoding = _encoding_of(path)
        if kind == "jsonl":
            _check_objects_in_lines(path, encoding)
        return _cut_lines(path, stamp, number, encoding, per_piece)
    except (OSError, pa.ArrowException) as error:
        problem = " ".join(str(error).split())
        raise DataError(f"cannot be read as {kind}: {problem}", str(path)) from error


def stamp_of(path: Path) -> str:
    """See `CutFile.stamp`."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"


def changed(path: str | Path, what: str) -> DataError:
    """The error for a file that is not what it was."""
    return DataError(
        f"{what} since this job began to read it. What is finished is kept: put the file back as it was and give the same "
        "command again, or begin anew in another output folder",
        str(path),
    )


def _encoding_of(path: Path) -> str:
    """UTF-8, or another encoding in which a line's end is one byte that means nothing else; single broken lines change nothing.

    Raises:
        DataError: an archive, a document, or an encoding that cannot be cut at line ends.
    """
    with path.open("rb") as file:
        head = file.read(CHUNK)
    check_not_binary(head, str(path))
    with suppress(UnicodeDecodeError):
        codecs.getincrementaldecoder("utf-8")().decode(head)
        return "utf-8"
    try:
        encoding = detect_encoding_of(head, str(path), whole=False)
    except DataError:
        return "utf-8"
    if encoding.startswith(("utf-16", "utf-32")):
        raise DataError(f"is in {encoding}; convert it to UTF-8", str(path))
    return encoding.removesuffix("-sig")


def _check_objects_in_lines(path: Path, encoding: str) -> None:
    """Raises:
    DataError: a JSON file that is one array, or whose objects go over several lines.
    """
    with path.open(encoding=encoding, errors="replace") as lines:
        filled = (line.strip().lstrip("\ufeff") for line in islice(lines, _FIRST) if line.strip())
        first, second = next(filled, ""), next(filled, "")
    # A lone brace before a line that is an object is a broken line, which is set aside like any other.
    if first == "[" or first.startswith("[{") or (first == "{" and not second.startswith("{")):
        raise DataError(
            "is JSON, but not one object a line; make it so with `hybridner data convert IN OUT.jsonl --to jsonl`", str(path)
        )


def _cut_lines(path: Path, stamp: str, file_number: int, encoding: str, per_piece: int) -> CutFile:
    """After so many lines or bytes; one pass at the speed of the disk."""
    whole, part = hashlib.sha256(), hashlib.blake2b(digest_size=16)
    borders, digests = [(0, 0)], []  # line, byte
    line = byte = 0
    open_line = False
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            whole.update(chunk)
            ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
            taken = 0
            while True:
                by_count = borders[-1][0] + per_piece - line - 1
                by_bytes = int(np.searchsorted(ends, borders[-1][1] + _PIECE_BYTES - byte - 1))
                last = min(by_count, by_bytes)
                if last >= len(ends):
                    break
                stop = int(ends[last]) + 1
                part.update(chunk[taken:stop])
                digests.append(part.hexdigest())
                borders.append((line + last + 1, byte + stop))
                part, taken = hashlib.blake2b(digest_size=16), stop
            part.update(chunk[taken:])
            line += len(ends)
            byte += len(chunk)
            open_line = not chunk.endswith(b"\n")
    line += open_line
    if borders[-1] != (line, byte):
        borders.append((line, byte))
        digests.append(part.hexdigest())
    pieces = tuple(
        FilePiece(piece_key(file_number, place), str(path), stop - first, encoding, first, begin, end, digest)
        for place, (((first, begin), (stop, end)), digest) in enumerate(zip(pairwise(borders), digests, strict=True))
    )
    return CutFile(path, line, whole.hexdigest(), stamp, pieces)


def _cut_parquet(path: Path, stamp: str, file_number: int, fields: Fields, per_piece: int) -> CutFile:
    """No piece reaches over the end of a row group."""
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    for name in fields.names:
        if name not in names:
            raise DataError(f"no column {name!r}; it has {', '.join(names)}", str(path))
    pieces: list[FilePiece] = []
    first = 0
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group)
        wide = max(1, rows.total_byte_size // max(1, rows.num_rows))
        step = max(1, min(per_piece, _PIECE_BYTES // wide))
        for row in range(0, rows.num_rows, step):
            key = piece_key(file_number, len(pieces))
            pieces.append(FilePiece(key, str(path), min(step, rows.num_rows - row), "", first + row, group, row, stamp))
        first += rows.num_rows
    footer = json.dumps(file.metadata.to_dict(), default=str, sort_keys=True)
    return CutFile(path, first, hashlib.sha256(footer.encode()).hexdigest(), stamp, tuple(pieces))
