"""Members trained together on one encoder make an ordinary composite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from transformers import pipeline

from hybridner import HybridNerModel
from hybridner.errors import RecipeError
from hybridner.models import MEMBER_CLASSES
from hybridner.training import HybridNerTrainer, recipe_from_dict, run_recipe
from tests.support.launching import run_together
from tests.training.test_run import environment, recipe_data, weights

pytestmark = pytest.mark.filterwarnings("ignore:.*finds next to nothing")

ALL = tuple(MEMBER_CLASSES)


def shared_data(folder: Path, members: tuple[str, ...] = ALL, **training: object) -> dict:
    data = recipe_data(folder, members, **{"shared_encoder": True, "epochs": 16, "early_stopping_patience": 16, **training})
    if "macbert-attn-bilstm-crf" in members:
        section = data["members"]["macbert-attn-bilstm-crf"]
        section["settings"] = {**section["settings"], "attention_heads": 2}
    return data


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    run_recipe(recipe_from_dict(shared_data(folder)))
    return folder / "run"


def test_the_result_is_an_ordinary_composite_with_one_encoder(finished: Path) -> None:
    model = HybridNerModel.from_pretrained(finished / "composite")
    assert model.member_names == ALL
    assert len(model.encoders) == 1
    pipe = pipeline("hybrid-ner", model=str(finished / "composite"), device="cpu")
    for strategy in ("score", "majority", "mean"):
        found = {(e["word"], e["entity_group"]) for e in pipe("北约在叙利亚部署了干扰机。", strategy=strategy)}
        assert found == {("北约", "State"), ("叙利亚", "Place")}


def test_each_member_is_left_as_if_it_had_been_trained_alone(finished: Path) -> None:
    composite = HybridNerModel.from_pretrained(finished / "composite")
    reports = {name: json.loads((finished / name / "training.json").read_text()) for name in ALL}
    whole = json.loads((finished / "shared-encoder" / "training.json").read_text())
    for name, report in reports.items():
        alone = MEMBER_CLASSES[name].from_pretrained(finished / name)
        for key, tensor in alone.state_dict().items():
            assert torch.equal(tensor, composite.member(name).state_dict()[key]), key
        assert report["member"] == name
        assert report["best_dev_f1"] > 0.8
    mean = sum(report["best_dev_f1"] for report in reports.values()) / len(ALL)
    assert whole["best_dev_f1"] == pytest.approx(mean)
    assert mean == pytest.approx(max(entry.get("eval_f1", 0) for entry in whole["history"]))
    assert sum(report["seconds"] for report in reports.values()) == pytest.approx(whole["seconds"], abs=0.5)
    assert not (finished / "shared-encoder" / "checkpoints").exists()


def test_a_second_run_finds_everything_done(finished: Path) -> None:
    before = {name: weights(finished / name) for name in ALL}
    times = [(finished / name / "model.safetensors").stat().st_mtime_ns for name in ALL]
    run_recipe(recipe_from_dict(shared_data(finished.parent)))
    assert times == [(finished / name / "model.safetensors").stat().st_mtime_ns for name in ALL]
    with pytest.raises(RecipeError, match="--overwrite"):
        run_recipe(recipe_from_dict(shared_data(finished.parent, seed=1)))
    with pytest.raises(RecipeError, match="--overwrite"):
        run_recipe(recipe_from_dict(shared_data(finished.parent, shared_encoder=False)))
    assert all(torch.equal(tensor, weights(finished / "spanner")[key]) for key, tensor in before["spanner"].items())


def test_a_run_that_was_stopped_goes_on_and_ends_where_it_would_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = shared_data(tmp_path, ("bert-bilstm-crf", "spanner"), epochs=3)
    evaluate = HybridNerTrainer.prediction_step

    def cut_off(self: HybridNerTrainer, *args: object, **kwargs: object) -> object:
        if self.state.epoch > 1:
            raise KeyboardInterrupt
        return evaluate(self, *args, **kwargs)

    monkeypatch.setattr(HybridNerTrainer, "prediction_step", cut_off)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(recipe_from_dict(data))
    monkeypatch.undo()
    assert not (tmp_path / "run" / "spanner" / "training.json").exists()
    assert list((tmp_path / "run" / "shared-encoder" / "checkpoints").glob("checkpoint-*"))
    run_recipe(recipe_from_dict(data))
    data["training"]["output"] = str(tmp_path / "whole")
    run_recipe(recipe_from_dict(data))
    stopped, uninterrupted = weights(tmp_path / "run" / "composite"), weights(tmp_path / "whole" / "composite")
    for name, tensor in uninterrupted.items():
        torch.testing.assert_close(stopped[name], tensor, msg=name)


def test_two_processes_train_one_encoder(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(shared_data(tmp_path, ("bert-bilstm-crf", "spanner"), epochs=2, batch_size=2)))
    run_together("-m", "hybridner", "train", str(recipe), environment=environment())
    report = json.loads((tmp_path / "run" / "shared-encoder" / "training.json").read_text())
    assert report["processes"] == 2
    assert len(HybridNerModel.from_pretrained(tmp_path / "run" / "composite").encoders) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"encoder": "another"}, "members.spanner.encoder: 'another' is not the first member's"),
        ({"num_hidden_layers": 2}, r"members.spanner.num_hidden_layers: 2 is not"),
        ({"encoder_learning_rate": 1e-4}, r"members.spanner.encoder_learning_rate: .* that of training"),
    ],
)
def test_members_that_cannot_share_say_why(tmp_path: Path, change: dict, problem: str) -> None:
    data = shared_data(tmp_path)
    data["members"]["spanner"].update(change)
    with pytest.raises(RecipeError, match=problem):
        recipe_from_dict(data)


def test_members_on_one_encoder_are_not_trained_one_by_one(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="together"):
        run_recipe(recipe_from_dict(shared_data(tmp_path)), only=["spanner"])
