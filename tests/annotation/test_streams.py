"""Data sets as input: the same pieces for any number of processes, each exactly once, also after a stop."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridner import HybridNerPipeline
from hybridner.annotation import AnnotationConfig, Fields, StreamSource, annotate
from hybridner.annotation.records import Item
from hybridner.errors import DataError
from tests.hub.client import Client
from tests.hub.hub_server import HubServer, Repo
from tests.support.annotation import rows, sentences

SHARDS = (23, 10, 2, 17)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data set of four files."""
    folder = tmp_path_factory.mktemp("corpus")
    texts = iter(sentences(sum(SHARDS)))
    for number, size in enumerate(SHARDS):
        mine = [next(texts) for _ in range(size)]
        table = pa.table({"text": pa.array(mine, pa.string()), "n": pa.array(range(size), pa.int64())})
        pq.write_table(table, folder / f"train-{number}.parquet", row_group_size=4)
    return str(folder)


def opened(corpus: str, per_piece: int = 5) -> StreamSource:
    return StreamSource(corpus, "train", None, None, Fields(), per_piece)


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 5, 9])
def test_processes_share_the_pieces(corpus: str, processes: int) -> None:
    found = [pair for process in range(processes) for pair in opened(corpus).pieces(process, processes, lambda key: None)]
    found.sort(key=lambda pair: pair[0].key)
    assert [piece.key for piece, _ in found] == [
        f"{shard:05d}-{number:06d}" for shard, size in enumerate(SHARDS) for number in range(-(-size // 5))
    ]
    texts = [record.text for _, records in found for record in records if isinstance(record, Item)]
    assert texts == sentences(sum(SHARDS))
    assert all(piece.records == len(records) for piece, records in found)
    offsets = [record.offset for _, records in found for record in records]
    assert offsets == [number for size in SHARDS for number in range(size)]


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_finished_pieces_are_not_read_again(corpus: str, processes: int) -> None:
    whole = {piece.key: records for piece, records in opened(corpus).pieces(0, 1, lambda key: None)}
    done = {key: len(records) for number, (key, records) in enumerate(whole.items()) if number % 3 != 1}
    rest = [pair for process in range(processes) for pair in opened(corpus).pieces(process, processes, done.get)]
    assert {piece.key: records for piece, records in rest} == {key: whole[key] for key in whole if key not in done}


def test_a_data_set_is_annotated(corpus: str, pipe: HybridNerPipeline, tmp_path: Path) -> None:
    totals = annotate(pipe, opened(corpus), tmp_path / "out", AnnotationConfig(batch_size=4))
    assert (totals["texts"], totals["records"]) == (52, 52)
    assert [row["text"] for row in rows(tmp_path / "out")] == sentences(52)
    assert rows(tmp_path / "out")[-1]["source"].endswith("train, shard 3")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"split": "dev"}, "can be opened"),
        ({"fields": Fields("body")}, "no column 'body'; it has text, n"),
        ({"name": "/no/such/folder"}, "neither a file here nor a data set"),
    ],
)
def test_what_is_no_such_data_set_is_refused(corpus: str, change: dict, problem: str) -> None:
    settings = {"name": corpus, "split": "train", "config": None, "revision": None, "fields": Fields(), "per_piece": 5}
    with pytest.raises(DataError, match=problem):
        StreamSource(**{**settings, **change})


def test_a_data_set_on_the_hub_is_streamed_and_pinned(composite_folder: Path, tmp_path: Path) -> None:
    def files(word: str) -> dict[str, bytes]:
        made = {}
        for shard in range(2):
            buffer = io.BytesIO()
            pq.write_table(pa.table({"text": [f"{word}{shard}{n}" for n in range(5)]}), buffer)
            made[f"data/train-{shard:05d}-of-00002.parquet"] = buffer.getvalue()
        return made

    out = tmp_path / "out"
    job = ["annotate", str(composite_folder), "me/corpus", "--output", str(out), "--records-per-shard", "3"]
    with HubServer() as server, Client(server.url, tmp_path) as client:
        repo = server.repos["me/corpus"] = Repo(private=False)
        commit = repo.commit("main", files("俄罗斯"))
        client.run("from hybridner.cli.main import main")
        assert client.run("result = main(job)", job=job) == 0
        assert {row["source"] for row in rows(out)} == {f"me/corpus@{commit}, train, shard {shard}" for shard in (0, 1)}
        assert [row["text"] for row in rows(out)] == [f"俄罗斯{shard}{n}" for shard in (0, 1) for n in range(5)]
        before = rows(out)
        repo.commit("main", files("叙利亚"))
        (out / "data" / "part-00001-000001.parquet").unlink()
        assert client.run("result = main(job)", job=job) == 0
        assert rows(out) == before
        server.shutdown()
        assert not server.faults
