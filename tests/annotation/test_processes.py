"""Two processes under Accelerate, and an LLM budget that holds for all of them and for what was done before a stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hybridner import HybridNerPipeline
from hybridner.annotation import AnnotationConfig, Fields, FileSource, annotate
from hybridner.annotation.llm_job import describe_llm, left, share
from hybridner.annotation.records import Item, Reject
from hybridner.annotation.sources import Finished, Piece
from hybridner.errors import DataError
from hybridner.llm import Budget, LlmError, Price
from hybridner.llm.prices import Usage
from tests.llm.scripted_server import KEY, ScriptedServer, chat
from tests.support.annotation import rejects, rows, sentences, spans, write_lines
from tests.support.launching import run_together
from tests.support.patience import PATIENCE


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    running = ScriptedServer(lambda body, number: chat("State"))
    yield running
    running.stop()


def llm_of(server: ScriptedServer) -> dict[str, object]:
    return {"model": "some-model", "base_url": server.url, "timeout": PATIENCE, "max_retries": 0}


def test_two_processes_share_the_work_and_the_budget(
    composite_folder: Path, pipe: HybridNerPipeline, server: ScriptedServer, tmp_path: Path
) -> None:
    texts = sentences(120)
    path, out = tmp_path / "a.jsonl", tmp_path / "out"
    path.write_text(
        "\n".join(json.dumps({"text": text}) if n % 50 else '{"text": ' for n, text in enumerate(texts)), encoding="utf-8"
    )
    llm = {"verifier": llm_of(server), "settings": {"fusion": "replace", "spans_per_call": 1, "budget": {"calls": 9}}}
    (tmp_path / "llm.yaml").write_text(yaml.safe_dump(llm))
    command = ["annotate", str(composite_folder), str(path), "--output", str(out), "--records-per-shard", "10"]
    command += ["--threshold", "0.6", "--llm", str(tmp_path / "llm.yaml")]
    settings = {"HF_HUB_OFFLINE": "1", "OPENAI_API_KEY": KEY, "NO_PROXY": "127.0.0.1"}
    written, _ = run_together("-m", "hybridner", *command, environment=settings)
    assert "117 texts" in written
    assert written.count("output:") == 1
    shards = [json.loads(pq.read_schema(shard).metadata[b"hybridner"]) for shard in sorted(out.glob("data/*"))]
    assert [shard["how"]["process"] for shard in shards] == [0, 1] * 6
    assert len(server.requests) == 9
    assert {shard["how"]["process"] for shard in shards if shard["llm"]["calls"]} == {0, 1}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["finished"]["llm"] == {"calls": 9, "prompt_tokens": 900, "completion_tokens": 27}
    assert [reject["offset"] for reject in rejects(out)] == [0, 50, 100]
    found = rows(out)
    assert [row["text"] for row in found] == [text for number, text in enumerate(texts) if number % 50]
    asked = pipe(found[0]["text"], threshold=0.0, llm={"model": "m", "base_url": server.url, "api_key": KEY})[0]
    assert {**asked, "label": ""}.keys() - {"entity_group"} == found[0]["entities"][0].keys() - _OF_CALIBRATED
    statuses = [entity["llm_status"] for row in found for entity in row["entities"]]
    assert set(statuses) - {"local", "cached"} == {"asked", "over_budget"}
    local = pipe([row["text"] for row in found], threshold=0.6)
    untouched = [(spans(row["entities"]), spans(e)) for row, e in zip(found, local, strict=True) if _local(row)]
    assert all(mine == other for mine, other in untouched)
    for file in out.rglob("*"):
        assert file.is_dir() or KEY.encode() not in file.read_bytes()


#: What only calibrated models say.
_OF_CALIBRATED = {"error_probability", "ood_score"}


def _local(row: dict) -> bool:
    return all(entity["llm_label"] is None for entity in row["entities"])


class Stopping:
    """A source that stops the job after some pieces, as a kill would: what is on the disk is on the disk."""

    def __init__(self, source: FileSource, after: int) -> None:
        self.source, self.after = source, after
        self.total, self.describe, self.size = source.total, source.describe, source.size
        self.keys, self.check = source.keys, source.check

    def pieces(self, process: int, processes: int, finished: Finished) -> Iterator[tuple[Piece, list[Item | Reject]]]:
        for number, pair in enumerate(self.source.pieces(process, processes, finished)):
            if number == self.after:
                raise KeyboardInterrupt
            yield pair


def test_what_was_spent_before_a_stop_is_spent(
    pipe: HybridNerPipeline, server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    source, out = FileSource([write_lines(tmp_path / "a.txt", sentences(60))], None, Fields(), 5), tmp_path / "out"
    how = AnnotationConfig(threshold=0.6, llm=llm_of(server), llm_settings={"kinds": ["entity"], "budget": {"calls": 70}})
    with pytest.raises(KeyboardInterrupt):
        annotate(pipe, Stopping(source, 1), out, how)
    before = len(server.requests)
    assert 0 < before < 70
    # A shard that got its answers but was not written in time asks nobody a second time.
    next(out.glob("data/*")).unlink()
    with pytest.raises(KeyboardInterrupt):
        annotate(pipe, Stopping(source, 1), out, how)
    assert len(server.requests) == before
    annotate(pipe, source, out, how)
    assert len(server.requests) == 70
    assert [row["text"] for row in rows(out)] == sentences(60)
    assert {"asked", "over_budget"} <= {entity["llm_status"] for row in rows(out) for entity in row["entities"]}


def test_a_budget_of_money_needs_a_price(pipe: HybridNerPipeline, server: ScriptedServer, tmp_path: Path) -> None:
    source = FileSource([write_lines(tmp_path / "a.txt", sentences(5))], None, Fields(), 5)
    for budget, problem in (({"cost": 1.0}, "price of 'some-model' is not known"), ({"euros": 1}, "budget: euros: unknown key")):
        how = AnnotationConfig(llm=llm_of(server), llm_settings={"budget": budget})
        with pytest.raises(LlmError, match=problem):
            annotate(pipe, source, tmp_path / "out", how)


whole = st.none() | st.integers(0, 10**9)


@given(calls=whole, tokens=whole, cost=st.none() | st.floats(0, 1e6), processes=st.integers(1, 9))
def test_the_parts_of_a_budget_are_the_whole(calls: int | None, tokens: int | None, cost: float | None, processes: int) -> None:
    budget = Budget(calls_per_text=3, calls=calls, tokens=tokens, cost=cost)
    parts = [share(budget, process, processes) for process in range(processes)]
    for name, limit in (("calls", calls), ("tokens", tokens), ("cost", cost)):
        mine = [getattr(part, name) for part in parts]
        assert mine == [None] * processes if limit is None else sum(mine) == pytest.approx(limit)
    assert all(part.calls_per_text == 3 for part in parts)


@given(calls=st.integers(0, 100), used=st.integers(0, 200), tokens=st.integers(0, 500))
def test_never_less_than_nothing_is_left(calls: int, used: int, tokens: int) -> None:
    price = Price(input=2.0, output=3.0)
    rest = left(Budget(calls=calls, cost=1e-3), Usage(used, tokens, tokens), price)
    assert rest.calls == max(0, calls - used)
    assert rest.tokens is None
    assert rest.cost == pytest.approx(max(0.0, 1e-3 - 5e-6 * tokens))


def test_a_job_is_another_one_when_what_the_llm_is_shown_has_changed(tmp_path: Path) -> None:
    names = ("guidelines", "template", "examples")
    for name in names:
        (tmp_path / name).write_text("before", encoding="utf-8")
    guidelines, template, examples = (str(tmp_path / name) for name in names)
    settings = {"guidelines": guidelines, "template": template, "budget": {"calls": 1}}
    before = describe_llm("some-model", settings, examples)
    for name in names:
        (tmp_path / name).write_text("after", encoding="utf-8")
        assert describe_llm("some-model", settings, examples) != before
        (tmp_path / name).write_text("before", encoding="utf-8")
    assert describe_llm("some-model", {**settings, "budget": {"calls": 2}}, examples) == before
    assert describe_llm("some-model", {"template": "zh"}) != describe_llm("some-model", {"template": "en"})
    with pytest.raises(DataError, match="none"):
        describe_llm("some-model", {"guidelines": str(tmp_path / "none")})
