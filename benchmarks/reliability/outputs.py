"""`annotate` with inputs that change, outputs that are damaged and disks that fail: noticed, and made good afterwards."""

from __future__ import annotations

import errno
import os
import random
import shutil
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow.parquet as pq

from benchmarks.reliability import material
from benchmarks.reliability.kills import compare_rows, rows
from benchmarks.reliability.tally import Tally
from hybridner import HybridNerPipeline
from hybridner.annotation import Fields, FileSource, annotate
from hybridner.annotation.records import Item, Reject
from hybridner.annotation.sources import Finished, Piece
from hybridner.errors import HybridNerError

_RECORDS, _PER_PIECE = 120, 20
_ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EACCES)


class _Changing(FileSource):
    """A file to which something is done after some of its pieces."""

    after = 0
    change: Callable[[], object]

    def pieces(self, process: int, processes: int, finished: Finished) -> Iterator[tuple[Piece, list[Item | Reject]]]:
        for number, pair in enumerate(super().pieces(process, processes, finished)):
            yield pair
            if number == self.after:
                self.change()


def run(folder: Path, seed: int, faults: int) -> Tally:
    """So many faults, a third of each kind."""
    tally, rng = Tally(), random.Random(seed)
    pipe = HybridNerPipeline(material.composite(folder / "model", seed), device="cpu")
    path = folder / "texts.txt"
    texts = material.write_texts(path, _RECORDS, seed)
    annotate(pipe, FileSource([path], None, Fields(), _PER_PIECE), folder / "undisturbed")
    expected = rows(folder / "undisturbed")
    for number in range(faults):
        output = folder / "output"
        shutil.rmtree(output, ignore_errors=True)
        if number % 3 == 0:
            shutil.copytree(folder / "undisturbed", output)
            what = _damage(output, rng)
        elif number % 3 == 1:
            what = _change_input(tally, pipe, path, output, rng)
            material.write_texts(path, _RECORDS, seed)
        else:
            what = _fail(tally, pipe, path, output, rng)
        tally.faults += 1
        before = len(tally.notes)
        _annotate(tally, pipe, FileSource([path], None, Fields(), _PER_PIECE), output, what, may_fail=False)
        compare_rows(tally, rows(output), expected, texts)
        if len(tally.notes) > before:
            tally.notes[-1] += f" after {what}"
    return tally


def _annotate(tally: Tally, pipe: HybridNerPipeline, source: FileSource, output: Path, what: str, *, may_fail: bool) -> bool:
    tally.calls += 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            totals = annotate(pipe, source, output)
    except HybridNerError as error:
        if "\n" in str(error) or not may_fail:
            tally.wrong("tracebacks", f"{what}: {error}")
        return False
    except BaseException:
        tally.wrong("tracebacks", f"{what}: {traceback.format_exc()}")
        return False
    if (totals["records"], totals["texts"]) != (_RECORDS, _RECORDS):
        tally.wrong("lost", f"{what}: counted {totals}")
    return True


def _damage(output: Path, rng: random.Random) -> str:
    """Something of a finished job is no longer what it was."""
    path = rng.choice(sorted(path for path in output.rglob("*") if path.is_file() and path.name != ".lock"))
    content = bytearray(path.read_bytes())
    how = rng.choice(["flipped", "cut", "gone", "emptied", "copied", "zeros", "unfinished"])
    if how == "flipped":
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(content))
    elif how == "cut":
        path.write_bytes(bytes(content[: rng.randrange(len(content))]))
    elif how == "gone":
        path.unlink()
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "copied":
        shutil.copy(path, path.with_name(f"part-{rng.randrange(9):05d}-{rng.randrange(9):06d}{path.suffix}"))
    elif how == "zeros":
        start = rng.randrange(len(content))
        content[start : start + 100] = bytes(len(content[start : start + 100]))
        path.write_bytes(bytes(content))
    else:
        path.with_name(f".{path.name}.0a1b2c3d.part").write_bytes(bytes(content[:100]))
    return f"{path.name} {how}"


def _change_input(tally: Tally, pipe: HybridNerPipeline, path: Path, output: Path, rng: random.Random) -> str:
    how = rng.choice(["cut", "appended", "replaced", "deleted", "changed"])

    def change() -> None:
        content = path.read_bytes()
        if how == "cut":
            path.write_bytes(content[: rng.randrange(len(content) // 2)])
        elif how == "appended":
            path.write_bytes(content + "又一句。\n".encode())
        elif how == "replaced":
            material.write_texts(path.with_name("other"), _RECORDS, rng.randrange(10**6))
            os.replace(path.with_name("other"), path)
        elif how == "deleted":
            path.unlink()
        else:
            place = rng.randrange(len(content) - 10)
            path.write_bytes(content[:place] + b"x" + content[place + 1 :])

    source = _Changing([path], None, Fields(), _PER_PIECE)
    source.after, source.change = rng.randrange(6), change
    original = path.read_bytes()
    worked = _annotate(tally, pipe, source, output, f"input {how}", may_fail=True)
    if worked and not (path.exists() and path.read_bytes() == original):
        tally.wrong("lost", f"input {how} after piece {source.after}: went unnoticed")
    return f"input {how}"


def _fail(tally: Tally, pipe: HybridNerPipeline, path: Path, output: Path, rng: random.Random) -> str:
    name, number = rng.choice([*_CALLS]), rng.randrange(1, 18)
    code = rng.choice(_ERRORS)
    with _failing(name, number, code):
        _annotate(tally, pipe, FileSource([path], None, Fields(), _PER_PIECE), output, f"{name} fails", may_fail=True)
    return f"call {number} of {name} fails with {errno.errorcode[code]}"


#: What touches the disk: the object and the name of its function.
_CALLS: dict[str, tuple[Any, str]] = {
    "fsync": (os, "fsync"),
    "replace": (Path, "replace"),
    "write_table": (pq, "write_table"),
    "write_bytes": (Path, "write_bytes"),
    "unlink": (Path, "unlink"),
    "mkdir": (Path, "mkdir"),
}


@contextmanager
def _failing(name: str, number: int, code: int) -> Iterator[None]:
    """From the call with this number on, a function fails as it does on a full or broken disk."""
    owner, attribute = _CALLS[name]
    original, calls = getattr(owner, attribute), 0

    def fails(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls >= number:
            raise OSError(code, os.strerror(code))
        return original(*arguments, **named)

    with ExitStack() as stack:
        stack.enter_context(patch.object(owner, attribute, fails))
        yield
