"""Atomic writes: the new content whole, or the old content and nothing else in the folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hybridner.bootstrap.silver import read_silver
from hybridner.errors import HybridNerError, MissingPackageError, OutputError
from hybridner.files import atomic_folder, atomic_write, write_json, write_text
from hybridner.llm import AnswerCache, load_guidelines, load_prices
from hybridner.llm.prompts import PromptTemplate
from hybridner.optional import require
from hybridner.study.files import Study


def test_new_folder_and_replacement(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    write_text(path, "俄罗斯\n")
    path.chmod(0o640)
    write_json(path, {"a": "俄"}, indent=None)
    assert path.read_text(encoding="utf-8") == '{"a":"俄"}\n'
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(path.parent) == ["b.txt"]


def test_a_failed_block_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "b.txt"
    write_text(path, "old")

    def fail_half_way() -> None:
        with atomic_write(path) as unfinished:
            unfinished.write_text("half of the n")
            raise KeyError("x")

    with pytest.raises(KeyError):
        fail_half_way()
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half an emoji: \ud83d")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["b.txt"]


@pytest.mark.parametrize("name", ["file/below", "folder", "/proc/x/y"])
def test_where_nothing_can_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=r"cannot be written: \w") as caught:
        write_text(tmp_path / name, "x")
    assert str(tmp_path / name) in str(caught.value)


def test_a_new_folder_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a" / "model") as unfinished:
        write_text(unfinished / "deep" / "config.json", "{}")
        assert not (tmp_path / "a" / "model").exists()
        inode = unfinished.stat().st_ino
    assert (tmp_path / "a" / "model").stat().st_ino == inode  # by one rename, which nothing can interrupt
    (tmp_path / "a" / "model" / "other").touch()
    with atomic_folder(tmp_path / "a" / "model") as unfinished:
        write_text(unfinished / "deep" / "config.json", "[]")
    assert (tmp_path / "a" / "model" / "deep" / "config.json").read_text() == "[]"
    assert sorted(os.listdir(tmp_path / "a")) == ["model"]
    assert sorted(os.listdir(tmp_path / "a" / "model")) == ["deep", "other"]


def test_an_error_of_another_file_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no-such\.txt"), atomic_write(tmp_path / "out.txt"):
        (tmp_path / "no-such.txt").read_text()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
def test_a_link_stays_a_link(tmp_path: Path) -> None:
    write_text(tmp_path / "real.txt", "old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="no such device here")
def test_a_pipe_is_written_to() -> None:
    code = "from hybridner.files import write_json; write_json('/dev/stdout', [1])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == [1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes to kill here")
def test_a_killed_writer_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    child = os.fork()
    if not child:
        with atomic_write(path) as unfinished:
            unfinished.write_text("half")
            os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert path.read_text() == "old"
    (left,) = {*os.listdir(tmp_path)} - {"a.txt"}
    assert left.startswith(".a.txt.")
    assert left.endswith(".part")


def test_missing_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert require("json", "llm") is json
    with pytest.raises(MissingPackageError, match=r'^no_such_package is not .*install "hybridner\[llm\]"') as caught:
        require("no_such_package.inner", "llm")
    assert isinstance(caught.value, ImportError)
    (tmp_path / "broken_package.py").write_text("import no_such_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackageError, match=r"broken_package cannot be imported .*no_such_dependency"):
        require("broken_package", "llm")


#: What reads a text file that a user names.
READERS: dict[str, Callable[[Path], object]] = {
    "guidelines": lambda path: load_guidelines(path, "zh"),
    "template": PromptTemplate.load,
    "prices": load_prices,
    "recorded answers": lambda path: AnswerCache(":memory:").add_record(path),
    "study": Study.load,
    "silver": read_silver,
}


@pytest.mark.parametrize("name", READERS)
def test_pipes_devices_and_what_is_no_text_are_refused(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\xd8")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path / "binary", tmp_path, tmp_path / "missing"):
        with pytest.raises(HybridNerError):
            READERS[name](path)
