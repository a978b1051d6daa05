"""Whole jobs: what comes out, what is set aside, and that a kill costs nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from datasets import load_dataset
from filelock import FileLock

from hybridner import AdaptiveThreshold, HybridNerModel, HybridNerPipeline
from hybridner.annotation import AnnotationConfig, Fields, FileSource, annotate, fingerprint
from hybridner.annotation.progress import progress_line
from hybridner.bundled import BUNDLED_FOLDER
from hybridner.cli.main import main
from hybridner.data import read_records
from hybridner.errors import DataError, ModelError
from hybridner.pipeline.definitions import DefinitionsPipeline
from tests.support.annotation import rejects, rows, sentences, spans, write_lines
from tests.support.forked import kill_before
from tests.support.tiny import TEXT, tiny_member


def file_source(path: str, per_piece: int = 10) -> FileSource:
    return FileSource([path], None, Fields(), per_piece)


def test_the_output_says_what_the_pipeline_says_and_where_it_comes_from(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    texts = [*sentences(25), TEXT * 3]
    path = write_lines(tmp_path / "a.txt", texts)
    totals = annotate(pipe, file_source(path), tmp_path / "out", AnnotationConfig(threshold=0.4), name="tiny")
    found, expected = rows(tmp_path / "out"), pipe(texts, threshold=0.4)
    assert [row["text"] for row in found] == texts
    for number, (row, entities) in enumerate(zip(found, expected, strict=True)):
        assert (row["id"], row["source"], row["offset"]) == (f"a-{number}", path, number)
        assert spans(row["entities"]) == spans(entities)
        for mine, other in zip(row["entities"], entities, strict=True):
            assert mine["word"] == row["text"][mine["start"] : mine["end"]]
            assert (mine["votes"], mine["source"], mine["needs_review"]) == (other["votes"], "local", other["needs_review"])
            assert mine["score"] == pytest.approx(other["score"], abs=1e-4)
            assert mine["uncertainty"] == pytest.approx(other["uncertainty"], abs=1e-4)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["finished"] == totals
    assert (totals["texts"], totals["rejected"], totals["entities"]) == (26, 0, sum(map(len, expected)))
    assert [shard["records"] for shard in manifest["shards"]] == [10, 10, 6]
    about = json.loads(pq.read_schema(tmp_path / "out" / "data" / "part-00000-000002.parquet").metadata[b"hybridner"])
    assert (about["how"]["model"], about["how"]["model_name"], about["how"]["threshold"]) == (
        fingerprint(pipe.model),
        "tiny",
        0.4,
    )


def test_shards_are_labelled_data_again(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    annotate(pipe, file_source(write_lines(tmp_path / "a.txt", sentences(20)), 100), tmp_path / "out")
    (shard,) = (tmp_path / "out" / "data").iterdir()
    records = read_records(shard)
    assert [record.text for record in records] == sentences(20)
    assert [sorted(spans(row["entities"])) for row in rows(tmp_path / "out")] == [
        sorted(tuple(span) for span in record.entities) for record in records
    ]
    data = load_dataset("parquet", data_files=str(tmp_path / "out" / "data" / "*.parquet"), split="train", streaming=True)
    assert [row["text"] for row in data] == sentences(20)


def test_bad_records_are_set_aside_with_the_reason(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"text": text}) if number % 4 else f"broken {number}" for number, text in enumerate(sentences(30))]
    path.write_text("\n".join(lines), encoding="utf-8")
    totals = annotate(pipe, file_source(str(path), 7), tmp_path / "out")
    assert (totals["records"], totals["texts"], totals["rejected"]) == (30, 22, 8)
    assert [reject["offset"] for reject in rejects(tmp_path / "out")] == list(range(0, 30, 4))
    for reject in rejects(tmp_path / "out"):
        assert reject["source"] == str(path)
        assert "not JSON" in reject["reason"]
        assert reject["record"] == f"broken {reject['offset']}"
    assert [row["offset"] for row in rows(tmp_path / "out")] == [number for number in range(30) if number % 4]


def test_a_text_that_breaks_the_model_is_set_aside_and_its_neighbours_are_not(
    composite: HybridNerModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, poison = composite.forward, composite.vocabularies[0].id_of("克")

    def fails(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        if (input_ids == poison).any():
            raise RuntimeError("out of memory")
        return forward(input_ids, attention_mask)

    monkeypatch.setattr(composite, "forward", fails)
    pipe = HybridNerPipeline(composite, device="cpu")
    texts = ["俄罗斯", "克拉苏哈", "北约", "在叙利亚", "苏哈克"]
    annotate(pipe, file_source(write_lines(tmp_path / "a.txt", texts)), tmp_path / "out")
    assert [row["text"] for row in rows(tmp_path / "out")] == ["俄罗斯", "北约", "在叙利亚"]
    assert [(r["offset"], r["record"]) for r in rejects(tmp_path / "out")] == [(1, "克拉苏哈"), (4, "苏哈克")]
    assert all("RuntimeError: out of memory" in reject["reason"] for reject in rejects(tmp_path / "out"))

    def broken(*inputs: torch.Tensor) -> Any:
        raise RuntimeError("the device has gone")

    monkeypatch.setattr(composite, "forward", broken)
    with pytest.raises(RuntimeError, match="the device has gone"):
        annotate(pipe, file_source(str(tmp_path / "a.txt")), tmp_path / "other")
    assert not list((tmp_path / "other").glob("data/*"))


def test_a_killed_job_goes_on_with_nothing_lost_and_nothing_doubled(
    composite_folder: Path, pipe: HybridNerPipeline, tmp_path: Path
) -> None:
    texts = sentences(200)
    path, out = write_lines(tmp_path / "a.txt", texts), tmp_path / "out"
    arguments = ["annotate", str(composite_folder), path, "--output", str(out), "--records-per-shard", "10"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}
    kill_before(r"/part-\d+-\d+\.parquet$", 5, "hybridner", *arguments, environment=environment)
    kept = {shard: shard.stat().st_mtime_ns for shard in out.glob("data/part-*")}
    assert len(kept) == 4
    assert json.loads((out / "manifest.json").read_text())["finished"] is None
    (out / "data" / ".part-00000-000007.parquet.1a2b3c4d.part").write_text("half of a shard")
    assert main(arguments) == 0
    assert kept == {shard: shard.stat().st_mtime_ns for shard in kept}
    assert {path.name for path in (out / "data").iterdir()} == {f"part-00000-{number:06d}.parquet" for number in range(20)}
    found = rows(out)
    assert [row["text"] for row in found] == texts
    assert [spans(row["entities"]) for row in found] == [spans(entities) for entities in pipe(texts)]


def test_a_finished_job_does_nothing_and_a_lost_shard_is_made_again(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    path, out = write_lines(tmp_path / "a.txt", sentences(30)), tmp_path / "out"
    totals = annotate(pipe, file_source(path), out)
    before = rows(out)
    times = {shard.name: shard.stat().st_mtime_ns for shard in out.glob("data/*")}
    assert annotate(pipe, file_source(path), out) == totals
    assert times == {shard.name: shard.stat().st_mtime_ns for shard in out.glob("data/*")}
    (out / "data" / "part-00000-000001.parquet").unlink()
    annotate(pipe, file_source(path), out)
    assert rows(out) == before


def test_only_the_same_job_goes_on_in_a_folder(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    path, out = write_lines(tmp_path / "a.txt", sentences(5)), tmp_path / "out"
    annotate(pipe, file_source(path), out)
    annotate(pipe, file_source(path), out, AnnotationConfig(batch_size=1))
    with pytest.raises(DataError, match=r"job\.threshold was None and is 0\.1 now"):
        annotate(pipe, file_source(path), out, AnnotationConfig(threshold=0.1))
    other = HybridNerPipeline(HybridNerModel.assemble({"spanner": tiny_member("spanner", 5)}), device="cpu")
    with pytest.raises(DataError, match=r"job\.model was"):
        annotate(other, file_source(path), out)
    write_lines(tmp_path / "a.txt", [*sentences(5), "新"])
    with pytest.raises(DataError, match=r"job\.input\.files\[0\]\.records was 5 and is 6"):
        annotate(pipe, file_source(path), out)
    (out / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="is a shard of another job, whose manifest is lost or damaged"):
        annotate(pipe, file_source(path), out)


def test_rules_and_settings_of_the_pipeline_belong_to_the_job(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    """Given to the job or to its pipeline: they hold, and with others it is another job."""
    source = file_source(write_lines(tmp_path / "a.txt", [TEXT, "无人机在硅谷。"]))
    (tmp_path / "always.csv").write_text("term,label\n硅谷,Place\n", encoding="utf-8")
    force, forbid = str(tmp_path / "always.csv"), ["叙利亚"]
    how = AnnotationConfig(force=force, forbid=forbid)
    own = HybridNerPipeline(pipe.model, device="cpu", force={"Place": ["硅谷"]}, forbid=forbid)
    annotate(pipe, source, tmp_path / "job", how)
    annotate(own, source, tmp_path / "own")
    found = rows(tmp_path / "job")
    assert found == rows(tmp_path / "own")
    assert [spans(row["entities"]) for row in found] == [spans(entities) for entities in own([row["text"] for row in found])]
    assert ("硅谷", "rule") in [(entity["word"], entity["source"]) for entity in found[1]["entities"]]
    annotate(own, source, tmp_path / "job")
    annotate(pipe, source, tmp_path / "own", how)
    with pytest.raises(DataError, match=r"job\.rules was"):
        annotate(pipe, source, tmp_path / "own")
    with pytest.raises(DataError, match=r"job\.rules\.sha256 was"):
        annotate(pipe, source, tmp_path / "job", AnnotationConfig(force={"State": ["硅谷"]}, forbid=forbid))
    nested = HybridNerPipeline(pipe.model, device="cpu", decoding="nested", forbid=forbid, force=force)
    with pytest.raises(DataError, match=r"job\.decoding was None and is 'nested' now"):
        annotate(nested, source, tmp_path / "job")


def test_a_pipeline_with_an_llm_or_a_moving_threshold_of_its_own_is_refused(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    source, llm = file_source(write_lines(tmp_path / "a.txt", sentences(5))), {"model": "m", "base_url": "http://127.0.0.1:9/v1"}
    for asking in (HybridNerPipeline(pipe.model, device="cpu", llm=llm), DefinitionsPipeline(labels=["Place"], llm=llm)):
        with pytest.raises(ModelError, match="llm: give the LLM to the job"):
            annotate(asking, source, tmp_path / "out")
    with pytest.raises(ModelError, match="must be a fixed one"):
        annotate(HybridNerPipeline(pipe.model, device="cpu", threshold=AdaptiveThreshold(0.2)), source, tmp_path / "out")
    with pytest.raises(ModelError, match="threshold, forbid: for models only"):
        annotate(
            DefinitionsPipeline(labels=["Place"]), source, tmp_path / "out", AnnotationConfig(threshold=0.1, forbid=["北约"])
        )
    assert not (tmp_path / "out").exists()


def test_what_an_entity_breaks_of_an_ontology_is_in_the_output(tmp_path: Path) -> None:
    texts = ["北约的无人机在加里宁格勒附近失去了GPS信号。", "俄罗斯部署了干扰机。"]
    own = HybridNerPipeline(HybridNerModel.from_pretrained(BUNDLED_FOLDER), device="cpu", consistent_with="sncm-open")
    totals = annotate(own, file_source(write_lines(tmp_path / "a.txt", texts)), tmp_path / "out")
    found = [[entity["contradictions"] for entity in row["entities"]] for row in rows(tmp_path / "out")]
    assert found == [[entity["contradictions"] for entity in entities] for entities in own(texts)]
    assert totals["entities"] == sum(map(len, found)) > 4
    with pytest.raises(DataError, match=r"job\.consistent_with was 'sncm-open' and is None now"):
        annotate(HybridNerPipeline(own.model, device="cpu"), file_source(str(tmp_path / "a.txt")), tmp_path / "out")


def test_two_jobs_do_not_work_in_one_folder(pipe: HybridNerPipeline, tmp_path: Path) -> None:
    path, out = write_lines(tmp_path / "a.txt", sentences(5)), tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".lock"), pytest.raises(DataError, match="another annotation job is at work"):
        annotate(pipe, file_source(path), out)


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        (AnnotationConfig(strategy="vote"), "strategy"),
        (AnnotationConfig(strategy="pool"), "pool"),
        (AnnotationConfig(min_precision=0.9), "not calibrated"),
        (AnnotationConfig(min_precision=0.9, llm="some-model"), "does not go with an LLM"),
        (AnnotationConfig(forbid={"Nowhere": ["北约"]}), "Nowhere"),
    ],
)
def test_wrong_settings_are_told_before_a_job_begins(
    pipe: HybridNerPipeline, tmp_path: Path, how: AnnotationConfig, complaint: str
) -> None:
    """One that has begun could only be repeated as it was."""
    source = file_source(write_lines(tmp_path / "a.txt", sentences(5)))
    with pytest.raises(ModelError, match=complaint):
        annotate(pipe, source, tmp_path / "out", how)
    assert not (tmp_path / "out").exists()


def test_the_fingerprint_is_that_of_the_content(composite: HybridNerModel, composite_folder: Path) -> None:
    copy = HybridNerModel.from_pretrained(composite_folder)
    assert fingerprint(copy) == fingerprint(composite)
    with torch.no_grad():
        next(copy.parameters()).view(-1)[0] += 1
    assert fingerprint(copy) != fingerprint(composite)
    copy = HybridNerModel.from_pretrained(composite_folder)
    copy.config.temperature = 2.0
    assert fingerprint(copy) != fingerprint(composite)


def test_progress_tells_rate_and_time_left() -> None:
    assert progress_line(300, 100, 1000, 10.0) == "annotated 300 of 1,000 records (30%), 20 a second, 35 s left"
    assert progress_line(100_100, 100, 10_000_000, 100.0).endswith("(1%), 1,000 a second, 2 h 45 min left")
    assert progress_line(300, 100, None, 10.0) == "annotated 300 records, 20 a second"
    assert progress_line(0, 0, 10, 0.0) == "annotated 0 of 10 records (0%), 0 a second"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["/no/such/input"], "neither a file here nor a data set"),
        (["a.txt", "--records-per-shard", "0"], "at least 1"),
        (["a.txt", "--llm", "key.yaml"], "must hold no key"),
        (["a.txt", "--llm", "empty.yaml"], "expected `verifier`"),
        (["a.txt", "--llm", "a.yaml"], "a.yaml: cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str],
    problem: str,
    composite_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "a.txt", sentences(3))
    (tmp_path / "key.yaml").write_text("verifier: {model: x, api_key: secret}")
    (tmp_path / "empty.yaml").write_text("model: x")
    assert main(["annotate", str(composite_folder), *arguments, "--output", "out"]) == 1
    assert problem in capsys.readouterr().err.replace("\n", " ")
