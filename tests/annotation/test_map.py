"""`pipeline.map`: every form of data set, one process and two."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset, DatasetDict, IterableDataset

from hybridner import AdaptiveThreshold, HybridNerModel, HybridNerPipeline
from hybridner.bundled import BUNDLED_FOLDER
from hybridner.ensemble import FixedThreshold
from hybridner.errors import DataError, InputError, ModelError
from hybridner.pipeline.parameters import PARAMETERS
from tests.support.annotation import sentences, spans

TEXTS = ["", None, *sentences(25)]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return Dataset.from_dict({"n": range(len(TEXTS)), "body": TEXTS})


@pytest.fixture(scope="module")
def expected(pipe: HybridNerPipeline) -> list[Any]:
    return [None if text is None else spans(pipe(text)) for text in TEXTS]


def found(rows: Any, column: str = "entities") -> list[Any]:
    return [None if row[column] is None else spans(row[column]) for row in rows]


def test_one_process_and_two_give_the_same(pipe: HybridNerPipeline, data: Dataset, expected: list[Any]) -> None:
    alone, together = pipe.map(data, "body"), pipe.map(data, column="body", num_proc=2)
    assert found(alone) == found(together) == expected
    assert alone.features == together.features
    assert alone.column_names == ["n", "body", "entities"]
    assert alone["n"] == list(range(len(TEXTS)))


def test_the_format_of_the_data_set_stays(pipe: HybridNerPipeline, data: Dataset) -> None:
    mapped = pipe.map(data.with_format("numpy", columns=["n"]), "body", output="found")
    assert mapped.format["type"] == "numpy"
    assert mapped.format["columns"] == ["n", "found"]
    assert pipe.map(data, "body").format["type"] is None


def test_streams_and_splits(pipe: HybridNerPipeline, data: Dataset, expected: list[Any]) -> None:
    stream = pipe.map(data.to_iterable_dataset(), "body")
    assert isinstance(stream, IterableDataset)
    assert found(stream) == expected
    splits = pipe.map(DatasetDict({"train": data, "test": data.select(range(5))}), "body")
    assert isinstance(splits, DatasetDict)
    assert found(splits["test"]) == expected[:5]


def test_settings_of_the_pipeline_and_of_the_call(pipe: HybridNerPipeline, data: Dataset) -> None:
    own = HybridNerPipeline(pipe.model, device="cpu", threshold=0.0, strategy="majority")
    assert {e["needs_review"] for row in own.map(data, "body")["entities"] if row for e in row} == {True}
    calm = own.map(data, "body", threshold=1.0, num_proc=2)
    assert {e["needs_review"] for row in calm["entities"] if row for e in row} == {False}
    by_label = own.map(data, "body", threshold=FixedThreshold(1.0), num_proc=2)
    assert by_label["entities"] == calm["entities"]
    again = own.map(own.map(data, "body"), "body", threshold=1.0)
    assert again["entities"] == calm["entities"], "a column that is there is replaced"


#: A value for each parameter, with what it needs beside it; nearly all change what is found in TEXT.
TEXT = (
    "據報道，北约的无人机在加里宁格勒附近失去了GPS信号，俄军干扰机疑似开启。海湾战争常被称作第一场太空战争。"
    "附加技术特征：告警由塔台备用测向仪维持。"
)
OWN: dict[str, dict[str, Any]] = {
    "strategy": {"strategy": "majority"},
    "decoding": {"decoding": "nested"},
    "simplify": {"simplify": False},
    "force": {"force": {"Adversary States": ["俄军"]}},
    "forbid": {"forbid": ["无人机"]},
    "consistent_with": {"consistent_with": "sncm-open"},
    "repair": {"consistent_with": "sncm-open", "repair": True},
    "threshold": {"threshold": 0.01},
    "min_precision": {"min_precision": 0.9},
}


def test_a_data_set_is_mapped_with_whatever_the_pipeline_was_given() -> None:
    """Each parameter, for good or per call, as calling the pipeline has it."""
    assert OWN.keys() == {name for name in PARAMETERS if not name.startswith("llm")}
    model = HybridNerModel.from_pretrained(BUNDLED_FOLDER)
    plain, row = HybridNerPipeline(model, device="cpu"), Dataset.from_dict({"text": [TEXT]})

    def shown(entities: Any) -> Any:
        return [(e["start"], e["end"], e["needs_review"], e.get("contradictions")) for e in entities]

    for settings in OWN.values():
        own = HybridNerPipeline(model, device="cpu", **settings)
        expected = shown(own(TEXT))
        assert shown(own.map(row)[0]["entities"]) == expected, settings
        assert shown(plain.map(row, **settings)[0]["entities"]) == expected == shown(plain(TEXT, **settings)), settings
    for name in OWN.keys() - {"decoding", "repair"}:
        assert shown(plain(TEXT, **OWN[name])) != shown(plain(TEXT)), "else the parameter could be lost without notice"


def test_what_cannot_work_is_said_before_anything_is_read(pipe: HybridNerPipeline, data: Dataset) -> None:
    with pytest.raises(DataError, match="no column 'text'; the data set has n, body"):
        pipe.map(data)
    with pytest.raises(InputError, match="not list; call the pipeline for lists"):
        pipe.map(["a"])
    with pytest.raises(ModelError, match="num_proc must be a whole number of at least 1, not 0"):
        pipe.map(data, "body", num_proc=0)
    with pytest.raises(ModelError, match="without an LLM"):
        pipe.map(data, "body", llm="some-model")
    with pytest.raises(ModelError, match="unknown parameter 'treshold'"):
        pipe.map(data, "body", treshold=0.3)
    with pytest.raises(ModelError, match="cannot be shared by processes"):
        pipe.map(data, "body", num_proc=2, threshold=AdaptiveThreshold(0.2))
    with pytest.raises(ModelError, match="cannot be shared by processes"):
        HybridNerPipeline(pipe.model, device="cpu", threshold=AdaptiveThreshold(0.2)).map(data, "body", num_proc=2)
    with pytest.raises(ModelError, match="read by one process"):
        pipe.map(data.to_iterable_dataset(), "body", num_proc=2)
