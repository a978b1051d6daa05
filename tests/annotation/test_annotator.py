"""The same through `datasets.map` and Ray Data, each with two real workers."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hybridner import HybridNerPipeline
from hybridner.annotation import Annotator, fingerprint
from hybridner.errors import DataError, ModelError
from tests.support.annotation import sentences, spans
from tests.support.patience import PATIENCE

# The first batch has no entity at all, from which no type could be guessed.
TEXTS = ["", "", None, *sentences(37)]


@pytest.fixture(scope="module")
def annotator(composite_folder: Path) -> Annotator:
    return Annotator(str(composite_folder), device="cpu", batch_size=4)


@pytest.fixture(scope="module")
def expected(pipe: HybridNerPipeline) -> list[Any]:
    return [None if text is None else spans(pipe(text)) for text in TEXTS]


def found(rows: Any) -> list[Any]:
    return [None if row["entities"] is None else spans(row["entities"]) for row in rows]


@pytest.mark.parametrize("arrow", [True, False])
def test_datasets_map_on_two_processes(annotator: Annotator, expected: list[Any], arrow: bool) -> None:
    data = Dataset.from_dict({"n": range(len(TEXTS)), "text": TEXTS})
    if arrow:
        result = data.with_format("arrow").map(annotator, batched=True, batch_size=3, num_proc=2).with_format(None)
    else:
        result = data.map(annotator, batched=True, batch_size=3, num_proc=2, features=annotator.features(data.features))
    assert result["n"] == list(range(len(TEXTS)))
    assert found(result) == expected
    assert set(result[5]["entities"][0]["votes"]) == set(annotator.members)


def test_streams_are_mapped_too(annotator: Annotator, expected: list[Any]) -> None:
    data = Dataset.from_dict({"text": TEXTS}).to_iterable_dataset()
    assert found(data.map(annotator, batched=True, batch_size=3)) == expected


def test_ray_data_on_two_actors(composite_folder: Path, expected: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # Seconds that Ray waits for its own processes, which all start at once.
    for name in ("raylet_start_wait_time_s", "worker_register_timeout_seconds", "gcs_server_request_timeout_seconds"):
        monkeypatch.setenv(f"RAY_{name}", str(int(PATIENCE)))
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        data = ray.data.from_items([{"n": number, "text": text} for number, text in enumerate(TEXTS)], override_num_blocks=8)
        result = data.map_batches(
            Annotator,
            fn_constructor_args=(str(composite_folder),),
            fn_constructor_kwargs={"device": "cpu"},
            compute=ray.data.ActorPoolStrategy(size=2),
            batch_format="pyarrow",
            batch_size=5,
        )
        rows = sorted(result.take_all(), key=lambda row: row["n"])
    finally:
        ray.shutdown()
    assert [row["text"] for row in rows] == TEXTS
    assert found(rows) == expected


def test_a_copy_knows_its_model_by_name(annotator: Annotator) -> None:
    sent = pickle.dumps(annotator)
    assert len(sent) < 2000
    assert pickle.loads(sent).fingerprint == annotator.fingerprint == fingerprint(annotator._pipe.model)


def test_what_cannot_work_is_said(annotator: Annotator, composite_folder: Path) -> None:
    with pytest.raises(DataError, match="no column 'text'; the batch has body"):
        annotator({"body": ["x"]})
    with pytest.raises(ModelError, match="cannot load a model"):
        Annotator("/no/such/model")
    with pytest.raises(ModelError, match="asks no LLM"):
        Annotator(str(composite_folder), llm="some-model")
