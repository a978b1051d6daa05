"""Inputs that change while a job runs, and outputs that are damaged between two runs: noticed, and never counted."""

from __future__ import annotations

import json
import os
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridner import HybridNerPipeline
from hybridner.annotation import AnnotationConfig, Fields, FileSource, annotate
from hybridner.annotation.records import Item, Reject
from hybridner.annotation.sources import Finished, Piece
from hybridner.cli.main import main
from hybridner.data import write_jsonl
from hybridner.errors import DataError
from tests.support.annotation import rejects, rows, sentences, write_lines
from tests.support.tiny import small_records

Change = Callable[[Path], None]


class Changing(FileSource):
    """A file to which something happens after the first piece."""

    change: Callable[[], None]

    def pieces(self, process: int, processes: int, finished: Finished) -> Iterator[tuple[Piece, list[Item | Reject]]]:
        for number, pair in enumerate(super().pieces(process, processes, finished)):
            yield pair
            if number == 0:
                self.change()


def changing(path: Path, change: Change) -> Changing:
    source = Changing([path], None, Fields(), 10)
    source.change = lambda: change(path)
    return source


def cut_off(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])


def overwrite(path: Path) -> None:
    """Other texts of the same length, in place."""
    content = bytearray(path.read_bytes())
    content[-20] = ord("7") if content[-20] != ord("7") else ord("8")
    path.write_bytes(bytes(content))


def append(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("又来了一句。\n")


def replace_file(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("".join(f"另一句{number}。\n" for number in range(60)), encoding="utf-8")
    os.replace(other, path)


@pytest.mark.parametrize("change", [cut_off, overwrite, append, replace_file, Path.unlink])
def test_a_file_that_changes_stops_the_job_and_what_is_finished_is_kept(
    change: Change, pipe: HybridNerPipeline, tmp_path: Path
) -> None:
    texts = sentences(60)
    path, out = Path(write_lines(tmp_path / "a.txt", texts)), tmp_path / "out"
    with pytest.raises(DataError, match=f"{path}: .*since this job began") as caught:
        annotate(pipe, changing(path, change), out)
    assert "\n" not in str(caught.value)
    assert json.loads((out / "manifest.json").read_text())["finished"] is None
    kept = [row["text"] for row in rows(out)]
    assert kept == texts[: len(kept)]
    assert len(kept) >= 10
    # Put back as it was, the job goes on.
    write_lines(path, texts)
    totals = annotate(pipe, FileSource([path], None, Fields(), 10), out)
    assert (totals["records"], totals["texts"]) == (60, 60)
    assert [row["text"] for row in rows(out)] == texts


def test_a_file_that_is_only_touched_is_the_same(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    path = Path(write_lines(tmp_path / "a.txt", sentences(30)))
    assert annotate(pipe, changing(path, lambda path: os.utime(path, (1, 1))), tmp_path / "out")["texts"] == 30


def test_parquet_that_is_written_to(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": sentences(40)}), path)
    with pytest.raises(DataError, match="has been written to since"):
        annotate(pipe, changing(path, lambda path: pq.write_table(pa.table({"text": sentences(30)}), path)), tmp_path / "out")


def test_parquet_with_a_damaged_page(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": sentences(400)}), path, compression="zstd", row_group_size=200)
    content = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content[start : start + 200] = bytes(200)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"records 200 to 299 cannot be read: .*what is finished is kept"):
        annotate(pipe, FileSource([path], None, Fields(), 100), tmp_path / "out")
    assert len(rows(tmp_path / "out")) == 200


@pytest.fixture(scope="module")
def finished(pipe: HybridNerPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    lines = [json.dumps({"text": text}) if number % 7 else "broken" for number, text in enumerate(sentences(40))]
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    annotate(pipe, FileSource([folder / "a.jsonl"], None, Fields(), 10), folder / "out")
    return folder


def first_shard(out: Path) -> Path:
    return out / "data" / "part-00000-000000.parquet"


def flip(path: Path, seed: int) -> None:
    content = bytearray(path.read_bytes())
    content[random.Random(seed).randrange(len(content))] ^= 0xFF
    path.write_bytes(bytes(content))


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


DAMAGES: dict[str, Change] = {
    **{f"a byte flipped ({seed})": lambda out, seed=seed: flip(first_shard(out), seed) for seed in range(8)},  # type: ignore[misc]
    "a shard cut off": lambda out: shorten(first_shard(out)),
    "an empty shard": lambda out: first_shard(out).write_bytes(b"") and None,
    "a missing shard": lambda out: first_shard(out).unlink(),
    "a stray shard": lambda out: shutil.copy(first_shard(out), out / "data" / "part-00009-000000.parquet") and None,
    "a shard in another's place": lambda out: shutil.copy(first_shard(out), out / "data" / "part-00000-000001.parquet") and None,
    "an unfinished file": lambda out: (out / "data" / ".part-00000-000000.parquet.0a1b2c3d.part").write_bytes(b"x") and None,
    "rejects cut off": lambda out: shorten(out / "rejects" / "part-00000-000000.jsonl"),
    "rejects missing": lambda out: (out / "rejects" / "part-00000-000000.jsonl").unlink(),
    "stray rejects": lambda out: (out / "rejects" / "part-00007-000000.jsonl").write_text("{}\n") and None,
    "sums missing": lambda out: (out / "sums" / "part-00000-000000.json").unlink(),
    "sums damaged": lambda out: (out / "sums" / "part-00000-000000.json").write_text("[]") and None,
    "manifest cut off": lambda out: shorten(out / "manifest.json"),
    "manifest empty": lambda out: (out / "manifest.json").write_bytes(b"") and None,
    "manifest cut off early": lambda out: (out / "manifest.json").write_bytes(b'{\n "for') and None,
    "manifest zeroed": lambda out: (out / "manifest.json").write_bytes(bytes(500)) and None,
    "manifest missing": lambda out: (out / "manifest.json").unlink(),
    "manifest without finished": lambda out: change_manifest(out, lambda m: m.pop("finished")),
    "manifest without counts": lambda out: change_manifest(out, lambda m: m.update(finished={})),
    "manifest without shards": lambda out: change_manifest(out, lambda m: m.update(shards=[3])),
}


def change_manifest(out: Path, change: Callable[[dict], object]) -> None:
    content = json.loads((out / "manifest.json").read_text())
    change(content)
    (out / "manifest.json").write_text(json.dumps(content))


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_damaged_is_made_anew(damage: str, finished: Path, pipe: HybridNerPipeline, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    DAMAGES[damage](out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        totals = annotate(pipe, FileSource([finished / "a.jsonl"], None, Fields(), 10), out)
    assert {name: totals[name] for name in ("records", "texts", "rejected")} == {"records": 40, "texts": 34, "rejected": 6}
    assert rows(out) == rows(finished / "out")
    assert rejects(out) == rejects(finished / "out")
    assert not list(out.rglob(".*.part"))


def test_damage_is_told_and_nothing_is_deleted(finished: Path, pipe: HybridNerPipeline, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    flip(first_shard(out), 1)
    damaged = first_shard(out).read_bytes()
    with pytest.warns(UserWarning, match=r"1 files were damaged.*part-00000-000000.parquet"):
        annotate(pipe, FileSource([finished / "a.jsonl"], None, Fields(), 10), out)
    assert (out / "damaged" / "data" / first_shard(out).name).read_bytes() == damaged


def test_a_lost_manifest_does_not_mix_jobs(finished: Path, pipe: HybridNerPipeline, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished / "out", out)
    (out / "manifest.json").unlink()
    with pytest.raises(DataError, match="a shard of another job"):
        annotate(pipe, FileSource([finished / "a.jsonl"], None, Fields(), 10), out, AnnotationConfig(threshold=0.1))
    assert len(list(out.glob("data/*.parquet"))) == 4


def test_somebody_elses_manifest_stays(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.txt", sentences(5))
    (tmp_path / "manifest.json").write_text('{"name": "a web application"}')
    with pytest.raises(DataError, match="is no manifest of an annotation job"):
        annotate(pipe, FileSource([path], None, Fields(), 10), tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"name": "a web application"}


def test_pipes_are_refused_at_once(composite_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    write_jsonl(small_records(), tmp_path / "gold.jsonl")
    name = str(tmp_path / "pipe.txt")
    for arguments in (
        ["annotate", str(composite_folder), name, "--output", str(tmp_path / "out")],
        ["predict", str(composite_folder), "--file", name],
        ["evaluate", str(composite_folder), name],
        ["data", "check", name],
        ["data", "convert", name, str(tmp_path / "x.jsonl"), "--to", "jsonl"],
        ["data", "check", str(tmp_path / "gold.jsonl"), "--label-map", name],
        ["compare", name, "--output", str(tmp_path / "report")],
        ["train", name],
        ["predict", str(composite_folder), "俄罗斯", "--llm", name],
    ):
        assert main(arguments) == 1
        assert "is a pipe or a device" in capsys.readouterr().err
