"""Files as input: text (a sentence a line), JSON lines and Parquet, cut into pieces that can be opened in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from hybridner.annotation.cutting import changed, cut_file, stamp_of
from hybridner.annotation.pieces import read_piece
from hybridner.annotation.records import Fields, Item, Reject
from hybridner.annotation.sources import Finished, Piece
from hybridner.errors import DataError
from hybridner.files import check_is_file

KINDS = ("text", "jsonl", "parquet")
"""The kinds of files that can be annotated."""
_KIND_OF_ENDING = {".txt": "text", ".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}

#: When so many records at the beginning are all bad, the input is not what it is taken for.
_FIRST = 100


class FileSource:
    r"""Files of one kind, read once through to cut them.

    Args:
        paths: at least one file.
        kind: a key of `KINDS`, by default from the ending of the first file's name.
        fields: what to take of each record.
        per_piece: records of a piece.

    Raises:
        DataError: a file that is missing, of another kind, or whose first records are all bad.

    Examples:
        >>> _ = Path("posts.txt").write_text("俄罗斯部署了干扰机。\n北约的无人机。\n", encoding="utf-8")
        >>> source = FileSource(["posts.txt"], None, Fields(), per_piece=1)
        >>> source.total, sorted(source.keys)
        (2, ['00000-000000', '00000-000001'])
    """

    def __init__(self, paths: Sequence[str | Path], kind: str | None, fields: Fields, per_piece: int) -> None:
        for path in paths:
            check_is_file(path)
        self.paths = [Path(path).resolve() for path in paths]
        self.kind = kind or kind_of(self.paths[0])
        self.fields = fields
        self._per_piece = per_piece
        self._files = [cut_file(path, self.kind, number, fields, per_piece) for number, path in enumerate(self.paths)]
        self._pieces = [piece for file in self._files for piece in file.pieces]
        self._sizes = {piece.key: piece.records for piece in self._pieces}
        self._look_at_first()

    @property
    def total(self) -> int:
        return sum(self._sizes.values())

    @property
    def keys(self) -> set[str]:
        return set(self._sizes)

    def describe(self) -> dict[str, Any]:
        files = [{"path": str(file.path), "records": file.records, "sha256": file.sha256} for file in self._files]
        return {"kind": self.kind, "records_per_shard": self._per_piece, "files": files}

    def size(self, key: str) -> int:
        return self._sizes.get(key, 0)

    def pieces(self, process: int, processes: int, finished: Finished) -> Iterator[tuple[Piece, list[Item | Reject]]]:
        for piece in self._pieces[process::processes]:
            if finished(piece.key) is None:
                yield piece, list(read_piece(piece, self.kind, self.fields))

    def check(self) -> None:
        for number, file in enumerate(self._files):
            try:
                if stamp_of(file.path) == file.stamp:
                    continue
                now = cut_file(file.path, self.kind, number, self.fields, self._per_piece)
            except (OSError, DataError) as error:
                raise changed(file.path, "can no longer be read as it was") from error
            if now.sha256 != file.sha256:
                what = "has grown" if now.records > file.records else "has been changed"
                raise changed(file.path, f"{what} (from {file.records} to {now.records} records)")

    def _look_at_first(self) -> None:
        """Say at once that a field has another name or a file another encoding, and not after a night of setting aside."""
        records = chain.from_iterable(read_piece(piece, self.kind, self.fields) for piece in self._pieces)
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
