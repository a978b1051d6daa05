"""What lies on users' disks is still read, and gives the same numbers; see make.py for what to do when it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from safetensors import safe_open
from transformers import AutoModel

from hybridner import HybridNerModel
from hybridner.ensemble import Predictions, available_strategies
from hybridner.ensemble.combiners import COMBINERS, STACKERS
from hybridner.evaluation.runs import Run
from hybridner.hybrid import HybridNerConfig
from hybridner.llm import AnswerCache
from hybridner.spans import RESOLVERS
from tests.golden.make import ANSWERS, ASKED, COMPOSITE, EXPECTED, PREDICTIONS, RUN, TEXTS, decisions, judged, reading, verified
from tests.support.near import assert_same


@pytest.fixture(scope="module")
def model() -> HybridNerModel:
    loaded = AutoModel.from_pretrained(COMPOSITE)
    assert isinstance(loaded, HybridNerModel)
    return loaded


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def found(model: HybridNerModel) -> dict[str, Any]:
    return reading(model)


@pytest.mark.parametrize("decoding", RESOLVERS)
@pytest.mark.parametrize("strategy", [name for name in COMBINERS if name not in STACKERS])
def test_a_stored_composite_says_what_it_said(found: dict, expected: dict, strategy: str, decoding: str) -> None:
    case = f"{strategy}, {decoding}"
    assert_same(found["entities"][case], expected["entities"][case], case)


def test_its_uncertainties_are_what_they_were(found: dict, expected: dict) -> None:
    assert_same(found["uncertainties"], expected["uncertainties"])


def test_its_members_alone_say_what_they_said(found: dict, expected: dict) -> None:
    assert_same(found["members"], expected["members"])
    assert all(any(texts.values()) for texts in expected["members"].values())


def test_the_files_hold_cases_that_can_tell(model: HybridNerModel, expected: dict) -> None:
    assert expected["texts"] == TEXTS
    assert len(TEXTS["several windows"]) > 2 * model.max_characters
    said = expected["entities"]
    assert len(said) == len(available_strategies(model.combiner_weights)) * len(RESOLVERS)
    whole = [json.dumps(list(texts.values())) for texts in said.values()]
    assert len(set(whole)) >= len(whole) - 1, "the strategies differ"
    assert all(texts["several windows"] and not texts["empty"] for texts in said.values())
    assert {row[-1] for row in said["score, flat"]["several windows"]} == {True, False}


def test_what_is_written_has_the_form_it_had(model: HybridNerModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in COMPOSITE.iterdir()}
    assert (tmp_path / "tokenizer.json").read_text() == (COMPOSITE / "tokenizer.json").read_text()
    new, old = (json.loads((folder / "config.json").read_text()) for folder in (tmp_path, COMPOSITE))
    for settings in (new, old):
        del settings["transformers_version"]
    # What came later stands at its default.
    later = {name: new.pop(name) for name in new.keys() - old.keys()}
    assert later == {name: getattr(HybridNerConfig(), name) for name in later}
    assert new == old
    tensors = []
    for folder in (tmp_path, COMPOSITE):
        with safe_open(folder / "model.safetensors", "pt") as file:
            parts = {name: file.get_slice(name) for name in sorted(file.keys())}
            tensors.append({name: (part.get_shape(), part.get_dtype()) for name, part in parts.items()})
    assert tensors[0] == tensors[1]


def test_stored_predictions_give_the_stored_decisions(model: HybridNerModel, expected: dict, tmp_path: Path) -> None:
    predictions = Predictions.load(PREDICTIONS)
    assert predictions.about == {"data": "六句话", "seed": 3}
    assert predictions.folds.tolist() == [0, 1, 2, 0, 1, 2]
    assert [record.group for record in predictions.records] == [f"document {number // 2}" for number in range(6)]
    assert (predictions.members, predictions.labels) == (model.member_names, model.config.labels.with_outside)
    assert any(expected["decisions"].values())
    assert_same(decisions(model, predictions), expected["decisions"])
    predictions.save(tmp_path / "again.parquet")
    assert pq.read_table(tmp_path / "again.parquet").equals(pq.read_table(PREDICTIONS), check_metadata=True)


def test_a_stored_run_holds_what_members_and_strategies_find(model: HybridNerModel, tmp_path: Path) -> None:
    run = Run.load(RUN)
    assert run == judged(model, Predictions.load(PREDICTIONS))
    assert {*model.member_names, *(f"strategy:{name}" for name in available_strategies(model.combiner_weights))} < set(
        run.systems
    )
    assert all(any(run.systems[name]) for name in model.member_names)
    assert run.seen is not None
    assert any(run.seen)
    run.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text(encoding="utf-8") == RUN.read_text(encoding="utf-8")


def test_recorded_answers_are_found_and_fused_as_they_were(model: HybridNerModel, expected: dict, tmp_path: Path) -> None:
    """Nobody listens at this address: what is not in the record fails."""
    cache = AnswerCache(tmp_path / "answers.sqlite")
    assert cache.add_record(ANSWERS) == len(cache) > 1
    found = verified(model, "http://127.0.0.1:9/v1", cache)
    assert {entity["llm_status"] for entity in expected["verified"]} >= {"cached"}
    assert all(ASKED[entity["start"] : entity["end"]] == entity["word"] for entity in found)
    assert_same(found, expected["verified"])
    cache.record(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_text(encoding="utf-8") == ANSWERS.read_text(encoding="utf-8")
    cache.close()
