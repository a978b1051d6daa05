"""Files as input: text (a sentence a line), JSON lines and Parquet, cut into pieces that can be opened in the middle."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hybridner.annotation.records import Fields, Item, Reject, checked, checked_text, shown
from hybridner.annotation.sources import Finished, Piece, piece_key
from hybridner.data.decoding import check_not_binary, detect_encoding_of
from hybridner.errors import DataError

KINDS = ("text", "jsonl", "parquet")
_KIND_OF_ENDING = {".txt": "text", ".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}

#: A piece ends after so many bytes even when it has few records.
_PIECE_BYTES = 32 << 20
#: Bytes read at a time.
_CHUNK = 1 << 20
#: A line of more bytes is no record.
_LONGEST_LINE = 64 << 20
#: Rows of a Parquet file held at a time.
_ROWS = 1024
#: When so many records at the beginning are all bad, the input is not what it is taken for.
_FIRST = 100


@dataclass(frozen=True)
class FilePiece(Piece):
    """A piece of a file.

    Attributes:
        encoding: of a text or JSON-lines file.
        first: the number of its first line or row in the file, from 0.
        begin, end: of a text or JSON-lines file, its bytes; of a Parquet file, its row group and the row in that.
    """

    encoding: str
    first: int
    begin: int
    end: int


class FileSource:
    """Files of one kind, read once through to cut them.

    Args:
        paths: at least one file.
        kind: a key of `KINDS`, by default from the ending of the first file's name.
        fields: what to take of each record.
        per_piece: records of a piece.

    Raises:
        DataError: a file that is missing, of another kind, or whose first records are all bad.
    """

    def __init__(self, paths: Sequence[str | Path], kind: str | None, fields: Fields, per_piece: int) -> None:
        self.paths = [Path(path).resolve() for path in paths]
        self.kind = kind or kind_of(self.paths[0])
        self.fields = fields
        self._per_piece = per_piece
        cut = _cut_parquet if self.kind == "parquet" else _cut_lines
        self._files: list[dict[str, Any]] = []
        self._pieces: list[FilePiece] = []
        for number, path in enumerate(self.paths):
            try:
                encoding = "" if self.kind == "parquet" else _encoding_of(path)
                if self.kind == "jsonl":
                    _check_objects_in_lines(path, encoding)
                borders, digest = cut(path, fields, per_piece)
            except (OSError, pa.ArrowException) as error:
                raise DataError(f"cannot be read as {self.kind}: {error}", str(path)) from error
            for place, ((first, begin, end), (stop, _, _)) in enumerate(pairwise(borders)):
                key = piece_key(number, place)
                self._pieces.append(FilePiece(key, str(path), stop - first, encoding, first, begin, end))
            self._files.append({"path": str(path), "records": borders[-1][0], "sha256": digest})
        self._sizes = {piece.key: piece.records for piece in self._pieces}
        self._look_at_first()

    @property
    def total(self) -> int:
        return sum(self._sizes.values())

    def describe(self) -> dict[str, Any]:
        return {"kind": self.kind, "records_per_shard": self._per_piece, "files": self._files}

    def size(self, key: str) -> int:
        return self._sizes.get(key, 0)

    def pieces(self, process: int, processes: int, finished: Finished) -> Iterator[tuple[Piece, list[Item | Reject]]]:
        for piece in self._pieces[process::processes]:
            if finished(piece.key) is None:
                yield piece, list(self._read(piece))

    def _read(self, piece: FilePiece) -> Iterator[Item | Reject]:
        read = {"text": _read_text, "jsonl": _read_jsonl, "parquet": _read_parquet}[self.kind]
        return read(piece, self.fields, Path(piece.source).stem)

    def _look_at_first(self) -> None:
        """Say at once that a field has another name or a file another encoding, and not after a night of setting aside."""
        records = chain.from_iterable(self._read(piece) for piece in self._pieces)
        first = list(islice(records, _FIRST))
        bad = [record for record in first if isinstance(record, Reject)]
        if bad and len(bad) == len(first):
            raise DataError(
                f"none of the first {len(bad)} records can be read; of this one, {bad[0].record[:200]!r}: {bad[0].reason}. "
                "Is the file UTF-8 and of the kind it is taken for, and is the field of the text named rightly?",
                f"{self._pieces[0].source}, record {bad[0].offset}",
            )


def kind_of(path: Path) -> str:
    """The kind of a file by the ending of its name.

    Raises:
        DataError: an ending that is none of those known.
    """
    kind = _KIND_OF_ENDING.get(path.suffix.lower())
    if kind is None:
        raise DataError(
            f"cannot tell the kind of file from its name; known endings: {', '.join(_KIND_OF_ENDING)}. Unpack compressed files "
            "first, and name the kind of others",
            str(path),
        )
    return kind


def _encoding_of(path: Path) -> str:
    """UTF-8, or another encoding in which a line's end is one byte that means nothing else; single broken lines change nothing.

    Raises:
        DataError: an archive, a document, or an encoding that cannot be cut at line ends.
    """
    with path.open("rb") as file:
        head = file.read(_CHUNK)
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


#: (number of the first record, begin, end) of each piece, and one more after the last.
_Borders = list[tuple[int, int, int]]


def _cut_lines(path: Path, fields: Fields, per_piece: int) -> tuple[_Borders, str]:
    """Where pieces begin, after so many lines or bytes; one pass at the speed of the disk."""
    digest = hashlib.sha256()
    cuts = [(0, 0)]  # line, byte
    line = byte = 0
    open_line = False
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
            while True:
                by_count = cuts[-1][0] + per_piece - line - 1
                by_bytes = int(np.searchsorted(ends, cuts[-1][1] + _PIECE_BYTES - byte - 1))
                last = min(by_count, by_bytes)
                if last >= len(ends):
                    break
                cuts.append((line + last + 1, byte + int(ends[last]) + 1))
            line += len(ends)
            byte += len(chunk)
            open_line = not chunk.endswith(b"\n")
    line += open_line
    if cuts[-1] != (line, byte):
        cuts.append((line, byte))
    stops = [stop for _, stop in cuts[1:]] + [byte]
    return [(first, begin, stop) for (first, begin), stop in zip(cuts, stops, strict=True)], digest.hexdigest()


def _cut_parquet(path: Path, fields: Fields, per_piece: int) -> tuple[_Borders, str]:
    """Where pieces begin; none reaches over the end of a row group."""
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    for name in fields.names:
        if name not in names:
            raise DataError(f"no column {name!r}; it has {', '.join(names)}", str(path))
    borders = []
    first = 0
    for group in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(group)
        wide = max(1, rows.total_byte_size // max(1, rows.num_rows))
        step = max(1, min(per_piece, _PIECE_BYTES // wide))
        borders += [(first + row, group, row) for row in range(0, rows.num_rows, step)]
        first += rows.num_rows
    # The footer tells sizes, places and statistics of everything in the file.
    footer = json.dumps(file.metadata.to_dict(), default=str, sort_keys=True)
    return [*borders, (first, 0, 0)], hashlib.sha256(footer.encode()).hexdigest()


def _lines(piece: FilePiece) -> Iterator[tuple[int, bytes | None]]:
    """Number and content of each line without its end; None for one that is too long to be looked at."""
    with Path(piece.source).open("rb") as file:
        file.seek(piece.begin)
        for number in range(piece.first, piece.first + piece.records):
            line = file.readline(_LONGEST_LINE)
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                while (rest := file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield number, None
                continue
            if piece.encoding == "utf-8":
                # A mark inside a file comes from files that were put together.
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield number, line.removesuffix(b"\n").removesuffix(b"\r")


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
    file = pq.ParquetFile(piece.source, buffer_size=_CHUNK)
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
