"""Output shards: each appears whole or not at all, and what lies there is what is done."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hybridner.annotation.records import Reject
from hybridner.errors import DataError
from hybridner.files import atomic_write

#: Folders of the output.
DATA, REJECTS = "data", "rejects"

_METADATA = b"hybridner"
_PREFIX, _ENDING = "part-", ".parquet"


def sweep(folder: Path) -> None:
    """Remove what killed processes left; only while no job is at work in the folder."""
    for part in (folder, folder / DATA, folder / REJECTS):
        for unfinished in part.glob(".*.part"):
            unfinished.unlink()


def write_shard(folder: Path, key: str, table: pa.Table, rejects: Sequence[Reject], source: str, about: dict[str, Any]) -> None:
    """Write a shard and what was set aside of its records; the shard last, for its being there says that both are.

    Args:
        folder: the job's output.
        key: of the piece.
        table: its rows.
        rejects: its records that could not be read.
        source: the file or data set of the piece.
        about: kept in the shard's metadata: what `Shards.about` gives back.
    """
    kept = folder / REJECTS / f"{_PREFIX}{key}.jsonl"
    if rejects:
        with atomic_write(kept) as path:
            lines = (json.dumps({"source": source, **reject._asdict()}, ensure_ascii=False) + "\n" for reject in rejects)
            path.write_text("".join(lines), encoding="utf-8")
    else:
        kept.unlink(missing_ok=True)
    with atomic_write(folder / DATA / f"{_PREFIX}{key}{_ENDING}") as path:
        pq.write_table(table.replace_schema_metadata({_METADATA: json.dumps(about, ensure_ascii=False).encode()}), path)


class Shards:
    """The finished shards of a job's output folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self) -> set[str]:
        """The keys of all finished pieces."""
        found = (self.folder / DATA).glob(f"{_PREFIX}*{_ENDING}")
        return {path.name[len(_PREFIX) : -len(_ENDING)] for path in found}

    def about(self, key: str) -> dict[str, Any]:
        """What `write_shard` was told about a piece.

        Raises:
            DataError: a file that is no shard of such a job.
        """
        path = self.folder / DATA / f"{_PREFIX}{key}{_ENDING}"
        try:
            about = json.loads((pq.read_schema(path).metadata or {})[_METADATA])
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise DataError("is not a shard of an annotation job; remove it, and it will be made anew", str(path)) from error
        return dict(about)

    def finished(self, key: str) -> int | None:
        """How many records a finished piece had; None when it is not finished."""
        path = self.folder / DATA / f"{_PREFIX}{key}{_ENDING}"
        return int(self.about(key)["records"]) if path.exists() else None
