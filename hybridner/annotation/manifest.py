"""The manifest of a job: what it is, so that only the same job goes on in its folder, and at the end what was done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hybridner.annotation.shards import Shards
from hybridner.errors import DataError
from hybridner.files import write_json

FORMAT = "hybridner-annotation-1"
MANIFEST = "manifest.json"

#: What is added up over the shards.
_COUNTS = ("records", "texts", "entities", "needs_review", "unfamiliar", "rejected", "halves", "seconds")


def begin(folder: Path, job: Mapping[str, Any]) -> None:
    """Write the manifest of a job that begins (`job` is all that decides the output); one that is there already stays."""
    if not (folder / MANIFEST).exists():
        _write(folder, {"format": FORMAT, "job": job, "finished": None, "shards": []})


def check(folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest in the folder.

    Raises:
        DataError: it is that of another job, damaged, or not to be seen from here.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        theirs = manifest["job"]
    except FileNotFoundError as error:
        raise DataError("not there; the output must lie on a disk that all processes and machines share", str(path)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"is no manifest of an annotation job ({error}); choose another output folder", str(path)) from error
    mine = json.loads(json.dumps(job))
    if theirs != mine:
        where, before, now = _first_difference(theirs, mine, "job")
        raise DataError(
            f"this folder holds another job: {where} was {before!r} and is {now!r} now; choose another output folder, or repeat "
            "the job as it was",
            str(path),
        )
    return dict(manifest)


def revision_of(folder: Path) -> str | None:
    """The commit of the data set that a job in this folder began with; None where there is no such job."""
    try:
        revision = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["job"]["input"].get("revision")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None if revision is None else str(revision)


def is_finished(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether all shards were made and are still there."""
    return manifest["finished"] is not None and Shards(folder).keys() >= {shard["key"] for shard in manifest["shards"]}


def finish(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Add up what the shards say and write it into the manifest; returns the totals."""
    shards = Shards(folder)
    done = [shards.about(key) for key in sorted(shards.keys())]
    totals = {name: sum(shard[name] for shard in done) for name in _COUNTS}
    llm = [shard["llm"] for shard in done if shard["llm"]]
    totals["llm"] = {name: sum(part[name] for part in llm) for name in llm[0]} if llm else None
    listed = [{name: shard[name] for name in ("key", "source", *_COUNTS, "llm")} for shard in done]
    _write(folder, {**manifest, "finished": totals, "shards": listed})
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
