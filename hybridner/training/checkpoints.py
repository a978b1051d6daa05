"""Checkpoints that are either complete or not there.

A checkpoint is written into a folder of another name, gets a list of its files with their hashes, and is renamed when
all is on the disk. So a kill or a full disk leaves none that looks complete, and damage that happens later is noticed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from hybridner.files import read_json, write_json

#: Holds checkpoints that are being written.
UNFINISHED = "unfinished"
_CONTENTS = "contents.json"
_STATE = "trainer_state.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def seal(checkpoint: Path) -> None:
    """Write down what a checkpoint consists of, and make sure that all of it has reached the disk."""
    contents = {file.name: hash_file(file) for file in sorted(checkpoint.iterdir()) if file.is_file()}
    write_json(checkpoint / _CONTENTS, contents)
    for path in checkpoint.iterdir():
        with path.open("rb+") as handle:
            os.fsync(handle.fileno())


def find_problem(checkpoint: Path, processes: int) -> str | None:
    """Why training cannot go on from a checkpoint as if it had never stopped; None when it can.

    Args:
        checkpoint: its folder.
        processes: how many are to go on; each needs its own random state.
    """
    try:
        contents = read_json(checkpoint / _CONTENTS)
        missing = [name for name in _needed(processes) if name not in contents]
        if not any(name.startswith("model") for name in contents):
            missing.append("weights")
        if missing:
            return f"it has no {', '.join(missing)}"
        for name, known in contents.items():
            if hash_file(checkpoint / name) != known:
                return f"{name} is damaged"
        best = read_json(checkpoint / _STATE).get("best_model_checkpoint")
    except (OSError, ValueError, AttributeError) as error:
        return f"it is unfinished or damaged ({error})"
    if best and Path(best).name != checkpoint.name and (problem := find_problem(checkpoint.parent / Path(best).name, processes)):
        return f"{Path(best).name}, the best so far, cannot be used: {problem}"
    return None


def _needed(processes: int) -> list[str]:
    random_states = ["rng_state.pth"] if processes == 1 else [f"rng_state_{number}.pth" for number in range(processes)]
    return ["optimizer.pt", "scheduler.pt", _STATE, *random_states]


def hash_file(file: Path) -> str:
    """A hash of what is in a file of any size."""
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as handle:
        while block := handle.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


@dataclass(frozen=True)
class Resumption:
    """Where training goes on.

    Attributes:
        checkpoint: the newest one that is complete; None to begin anew.
        unusable: folders that are not, and why.
    """

    checkpoint: Path | None
    unusable: dict[Path, str]

    def drop_unusable(self) -> None:
        """Delete what training cannot go on from."""
        for folder in self.unusable:
            shutil.rmtree(folder, ignore_errors=True)


def find_resumption(folder: Path, processes: int = 1) -> Resumption:
    """Look through the checkpoints in a folder, newest first."""
    names = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)] if folder.is_dir() else []
    unusable = {folder / UNFINISHED: "it was not written to its end"} if (folder / UNFINISHED).exists() else {}
    for checkpoint in sorted(names, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        problem = find_problem(checkpoint, processes)
        if problem is None:
            return Resumption(checkpoint, unusable)
        unusable[checkpoint] = problem
    return Resumption(None, unusable)
