"""The manifest of a job: what it is, so that only the same job goes on in its folder, and at the end what was done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybridner.annotation.shards import SUMS, Shards, job_digest
from hybridner.errors import DataError
from hybridner.files import read_json, write_json

FORMAT = "hybridner-annotation-1"
MANIFEST = "manifest.json"

#: What is added up over the shards.
_COUNTS = ("records", "texts", "entities", "needs_review", "unfamiliar", "rejected", "halves", "seconds")


def begin(folder: Path, job: Mapping[str, Any]) -> None:
    """Write the manifest of a job that begins (`job` is all that decides the output); one that is there already stays, and a
    damaged one of ours is written anew.

    Raises:
        DataError: without a manifest to tell, there are shards of another job.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        began = f'{{\n "format": "{FORMAT}"'.encode()
        # Of one that is damaged at its beginning the sums beside it tell.
        is_ours = FORMAT.encode() in content or began.startswith(content.strip()) or any((folder / SUMS).glob("part-*.json"))
        if _parsed(content) is not None or not is_ours:
            return
    except FileNotFoundError:
        pass
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", str(path)) from error
    if others := Shards(folder, job_digest(job)).of_other_jobs():
        raise DataError(
            "is a shard of another job, whose manifest is lost or damaged; choose another output folder", str(others[0])
        )
    _write(folder, {"format": FORMAT, "job": job, "finished": None, "shards": []})


def _parsed(content: bytes) -> dict[str, Any] | None:
    """A manifest, or None for what is none."""
    try:
        manifest = json.loads(content)
        complete = isinstance(manifest["job"], dict) and all(isinstance(shard["key"], str) for shard in manifest["shards"])
        done = manifest["finished"]
        return manifest if complete and (done is None or all(name in done for name in (*_COUNTS, "llm"))) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def check(folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest in the folder.

    Raises:
        DataError: it is that of another job, damaged, or not to be seen from here.
    """
    path = folder / MANIFEST
    try:
        manifest = _parsed(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError("not there; the output must lie on a disk that all processes and machines share", str(path)) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", str(path)) from error
    if manifest is None:
        raise DataError("is no manifest of an annotation job; choose another output folder", str(path))
    theirs = manifest["job"]
    mine = json.loads(json.dumps(job))
    if theirs != mine:
        where, before, now = _first_difference(theirs, mine, "job")
        raise DataError(
            f"this folder holds another job: {where} was {before!r} and is {now!r} now; choose another output folder, or repeat "
            "the job as it was",
            str(path),
        )
    return manifest


def revision_of(folder: Path) -> str | None:
    """The commit of the data set that a job in this folder began with; None where there is no such job."""
    try:
        revision = read_json(folder / MANIFEST)["job"]["input"].get("revision")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None if revision is None else str(revision)


def is_finished(shards: Shards, manifest: Mapping[str, Any]) -> bool:
    """Whether all shards were made and are still there."""
    return manifest["finished"] is not None and shards.keys() >= {shard["key"] for shard in manifest["shards"]}


def finish(shards: Shards, manifest: Mapping[str, Any], expected: set[str] | None) -> dict[str, Any]:
    """Add up what the shards say and write it into the manifest; returns the totals.

    Args:
        shards: of the job.
        manifest: as `check` gave it.
        expected: the keys of all pieces of the input, None where nobody knows.

    Raises:
        DataError: a shard is damaged, missing or not of this job.
    """
    keys = sorted(shards.keys())
    broken = [key for key in keys if not shards.is_whole(key)] or sorted((expected or set(keys)) ^ set(keys))
    if broken:
        raise DataError(
            f"shards were damaged while the job ran: {', '.join(broken[:5])}; give the same command again, and they are made "
            "anew",
            str(shards.folder),
        )
    done = [shards.about(key) for key in keys]
    totals = {name: sum(shard[name] for shard in done) for name in _COUNTS}
    llm = [shard["llm"] for shard in done if shard["llm"]]
    totals["llm"] = {name: sum(part[name] for part in llm) for name in llm[0]} if llm else None
    listed = [{name: shard[name] for name in ("key", "source", *_COUNTS, "llm")} for shard in done]
    _write(shards.folder, {**manifest, "finished": totals, "shards": listed})
    return totals


def _write(folder: Path, manifest: Mapping[str, Any]) -> None:
    write_json(folder / MANIFEST, manifest, indent=1)


def _first_difference(a: Any, b: Any, where: str) -> tuple[str, Any, Any]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            if a.get(key) != b.get(key):
                return _first_difference(a.get(key), b.get(key), f"{where}.{key}")
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for number, (x, y) in enumerate(zip(a, b, strict=True)):
            if x != y:
                return _first_difference(x, y, f"{where}[{number}]")
    return where, a, b
