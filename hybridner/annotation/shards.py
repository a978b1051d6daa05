"""Output shards: each appears whole or not at all, and what lies there undamaged is what is done."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hybridner.annotation.records import Reject
from hybridner.errors import DataError
from hybridner.files import atomic_write, read_json, write_json

#: Folders of the output: shards, what was set aside of their records, what tells that both are whole, and files that are not.
DATA, REJECTS, SUMS, DAMAGED = "data", "rejects", "sums", "damaged"

_METADATA = b"hybridner"
_PREFIX, _ENDING = "part-", ".parquet"


def job_digest(job: Mapping[str, Any]) -> str:
    """Tells the shards of one job from those of another."""
    return hashlib.sha256(json.dumps(job, sort_keys=True, default=str).encode()).hexdigest()[:16]


def sweep(folder: Path) -> None:
    """Remove what killed processes left; only while no job is at work in the folder."""
    for part in (folder, folder / DATA, folder / REJECTS, folder / SUMS):
        for unfinished in part.glob(".*.part"):
            unfinished.unlink()


class Shards:
    """The shards of a job in its output folder.

    Args:
        folder: the job's output.
        job: its `job_digest`.
    """

    def __init__(self, folder: Path, job: str) -> None:
        self.folder, self._job = folder, job

    def write(self, key: str, table: pa.Table, rejects: Sequence[Reject], source: str, about: dict[str, Any]) -> None:
        """Write a shard and what was set aside of its records; the shard last, for its being there says that all is.

        Args:
            key: of the piece.
            table: its rows.
            rejects: its records that could not be read.
            source: the file or data set of the piece.
            about: kept in the shard's metadata: what `about` gives back.

        Raises:
            OutputError: the disk is full, or the like.
        """
        kept = self._rejects(key)
        if rejects:
            with atomic_write(kept) as path:
                lines = (json.dumps({"source": source, **reject._asdict()}, ensure_ascii=False) + "\n" for reject in rejects)
                path.write_text("".join(lines), encoding="utf-8")
        else:
            kept.unlink(missing_ok=True)
        with atomic_write(self._shard(key)) as path:
            pq.write_table(table.replace_schema_metadata({_METADATA: json.dumps(about, ensure_ascii=False).encode()}), path)
            sums = {"job": self._job, "shard": _sha256(path), "rejects": _sha256(kept) if rejects else None}
            write_json(self._sums(key), sums)

    def keys(self) -> set[str]:
        """The keys of all pieces whose shard is there."""
        found = (self.folder / DATA).glob(f"{_PREFIX}*{_ENDING}")
        return {path.name[len(_PREFIX) : -len(_ENDING)] for path in found}

    def about(self, key: str) -> dict[str, Any]:
        """What `write` was told about a piece.

        Raises:
            DataError: a file that is no shard of such a job.
        """
        path = self._shard(key)
        try:
            about = json.loads((pq.read_schema(path).metadata or {})[_METADATA])
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise DataError("is not a shard of an annotation job; remove it, and it will be made anew", str(path)) from error
        return dict(about)

    def finished(self, key: str) -> int | None:
        """How many records a finished piece had; None when it is not finished."""
        return int(self.about(key)["records"]) if self._shard(key).exists() else None

    def is_whole(self, key: str) -> bool:
        """Whether a shard of this job and what belongs to it are what was written."""
        try:
            sums = read_json(self._sums(key))
            job, shard, rejects = sums["job"], sums["shard"], sums["rejects"]
            kept = self._rejects(key)
            return (job, shard, rejects) == (self._job, _sha256(self._shard(key)), _sha256(kept) if kept.exists() else None)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def of_other_jobs(self) -> list[Path]:
        """Shards that another job has written here, and that are whole."""
        found = []
        for key in sorted(self.keys()):
            try:
                sums = read_json(self._sums(key))
                if sums["job"] != self._job and sums["shard"] == _sha256(self._shard(key)):
                    found.append(self._shard(key))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found

    def set_aside(self, known: set[str] | None = None) -> list[Path]:
        """Move files that are no whole part of this job out of the way, so that their pieces are made anew.

        Args:
            known: the keys that the job has; by default any.

        Returns:
            where they lie now.
        """
        whole = {self._shard(key).name for key in self.keys() if (known is None or key in known) and self.is_whole(key)}
        # Of a known piece they are written anew with its shard.
        rejects = {path.name for path in (self.folder / REJECTS).glob(f"{_PREFIX}*.jsonl")}
        expected = rejects if known is None else {self._rejects(key).name for key in known}
        moved = []
        for part, pattern, kept in ((DATA, f"*{_ENDING}", whole), (REJECTS, "*.jsonl", expected)):
            for path in sorted((self.folder / part).glob(pattern)):
                if path.name not in kept:
                    target = self.folder / DAMAGED / part / path.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(path, target)
                    moved.append(target)
        return moved

    def _shard(self, key: str) -> Path:
        return self.folder / DATA / f"{_PREFIX}{key}{_ENDING}"

    def _rejects(self, key: str) -> Path:
        return self.folder / REJECTS / f"{_PREFIX}{key}.jsonl"

    def _sums(self, key: str) -> Path:
        return self.folder / SUMS / f"{_PREFIX}{key}.json"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
