"""Results as files that a visitor can download."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any


def json_lines(texts: Iterable[str], entities: Iterable[Sequence[Mapping[str, Any]]]) -> str:
    """One object ``{"text", "entities"}`` per line, as `hybridner predict --json` prints them."""
    return "".join(
        json.dumps({"text": text, "entities": found}, ensure_ascii=False) + "\n"
        for text, found in zip(texts, entities, strict=True)
    )


def new_download(folder: Path, name: str, seconds: float) -> Path:
    """Where a download of this name goes: a folder of its own that nobody can guess. Those older than `seconds` are removed."""
    now = time.time()
    for old in folder.glob("*/*"):
        if now - old.stat().st_mtime > seconds:
            old.unlink(missing_ok=True)
            old.parent.rmdir()
    path = folder / secrets.token_hex(16) / name
    path.parent.mkdir(parents=True)
    return path
