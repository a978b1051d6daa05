"""Files of visitors in the page's temporary folder."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path


def new_session_file(folder: Path, name: str, seconds: float) -> Path:
    """Where a visitor's file of this name goes: a folder of its own that nobody can guess.

    Folders whose files have not been touched for so many seconds are removed.
    """
    now = time.time()
    for old in folder.iterdir():
        files = list(old.iterdir())
        if files and all(now - path.stat().st_mtime > seconds for path in files):
            shutil.rmtree(old, ignore_errors=True)
    path = folder / secrets.token_hex(16) / name
    path.parent.mkdir(parents=True)
    return path
