"""Files: which can be read, and writing so that new content appears under a name at once and whole, or the old stays."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from hybridner.errors import DataError, OutputError


def check_is_file(path: str | os.PathLike[str]) -> None:
    """Refuse what cannot be read twice: a pipe, a socket, a device. What is not there at all is left to whoever opens it.

    Raises:
        DataError: it is such a thing.
    """
    with suppress(OSError):
        mode = os.stat(path).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise DataError(
                "is a pipe or a device, and a file is read more than once to find out what it holds; save it to a file first, or "
                "send texts to the standard input of `hybridner predict`",
                str(path),
            )


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """What a text file holds.

    Raises:
        OSError: it cannot be read.
        DataError: it is a pipe or a device.
        UnicodeDecodeError: it is no text in that encoding.
    """
    check_is_file(path)
    return Path(path).read_text(encoding=encoding)


def read_json(path: str | os.PathLike[str]) -> Any:
    """What a JSON file holds; a byte order mark before it is no harm.

    Raises:
        OSError: it cannot be read.
        DataError: it is a pipe or a device.
        ValueError: it is no JSON, no UTF-8, or nested too deeply to be what anybody wrote.
    """
    try:
        return json.loads(read_text(path, "utf-8-sig"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_mapping(path: Path, advice: str) -> dict[str, Any]:
    """The mapping that a JSON file of ours holds.

    Args:
        path: the file.
        advice: what to do where it is damaged.

    Raises:
        DataError: it cannot be read, or holds something else.
    """
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise DataError(f"is damaged ({error}); {advice}", str(path)) from error
    if not isinstance(content, dict):
        raise DataError(f"is damaged (it holds no mapping); {advice}", str(path))
    return content


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """A name to write under, in the same folder (which is made); at the end the file is on the disk and takes its own name.

    Where the block fails, the file under the name to write is removed; a process that is killed leaves one whose name begins with
    a dot and ends in ``.part``. A pipe or device is written to as it is, and of a symbolic link the file that it points to.

    Raises:
        OutputError: the disk is full, the folder cannot be written to, or the like.
    """
    given = Path(path)
    if given.exists() and not (given.is_file() or given.is_dir()):
        yield given
        return
    target = Path(os.path.realpath(given))
    unfinished = target.with_name(f".{target.name[-100:]}.{uuid4().hex[:8]}.part")
    try:
        if target.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, unfinished)
        unfinished.replace(target)
    except OSError as error:
        if error.filename not in (None, *map(str, (path, target, unfinished, *target.parents))):
            raise  # of another file, which the block read
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


@contextmanager
def written_to(folder: str | Path) -> Iterator[None]:
    """For work in a folder.

    Raises:
        OutputError: the operating system refuses something: the disk is full or broken, it cannot be written to, or the like.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to: {error.strerror or error}") from error


def is_refusal(error: Exception) -> bool:
    """Whether the operating system has refused something; libraries written in Rust say so in errors of their own."""
    return isinstance(error, OSError) or "(os error " in str(error)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A new folder to write files into, beside the one that is meant; at the end they replace those of the same names there.

    Other files stay. Where the block fails, nothing has changed: a model that is written over with its own calibration is never
    half of one and half of the other for lack of space. A folder that was not there is there whole or not at all, even if the
    process is killed.

    Raises:
        OutputError: the disk is full, the folder cannot be written to, or the like.
    """
    target = Path(os.path.realpath(path))
    unfinished = target.with_name(f".{target.name[-100:]}.{uuid4().hex[:8]}.part")
    try:
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(None, "it is no folder")
        unfinished.mkdir(parents=True)
        yield unfinished
        written = sorted(file for file in unfinished.rglob("*") if file.is_file())
        for file in written:
            with file.open("rb+") as handle:
                os.fsync(handle.fileno())
        if not target.exists():
            unfinished.rename(target)
            return
        for file in written:
            place = target / file.relative_to(unfinished)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
    except Exception as error:
        if not is_refusal(error):
            raise
        raise OutputError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Replace a file's content, see `atomic_write`."""
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    """Replace a file's content by UTF-8 text, see `atomic_write`."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: str | Path, content: Any, *, indent: int | None = 2) -> None:
    """Replace a file's content by readable JSON, see `atomic_write`."""
    separators = (",", ":") if indent is None else None
    write_text(path, json.dumps(content, ensure_ascii=False, indent=indent, separators=separators) + "\n")
