from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import pipeline

from hybridner.data import write_jsonl
from hybridner.errors import DataError, RecipeError
from hybridner.hybrid import HybridNerModel
from hybridner.spans import Record, Span
from hybridner.training import HybridNerTrainingArguments, recipe_from_dict, run_recipe
from hybridner.training.assembling import is_simplified
from hybridner.training.run import training_arguments
from hybridner.training.stopping import find_kept
from tests.support.forked import kill_before, run
from tests.support.launching import run_together
from tests.support.tiny import ENCODER, small_records

#: Most runs here are too short to learn anything.
pytestmark = pytest.mark.filterwarnings("ignore:.*finds next to nothing")

MEMBERS = ("bert-bilstm-crf", "spanner")


def recipe_data(folder: Path, members: tuple[str, ...] = MEMBERS, **training: object) -> dict:
    train = folder / "train.jsonl"
    if not train.exists():
        write_jsonl(small_records(), train)
    settings = {"rnn_hidden_size": 32, "dropout": 0.1}
    return {
        "data": {"train": str(train), "dev_fraction": 0.25},
        "members": {name: {"type": name, "encoder": ENCODER, "settings": settings} for name in members},
        "training": {
            "output": str(folder / "run"),
            "epochs": 12,
            "batch_size": 4,
            "encoder_learning_rate": 5e-3,
            "head_learning_rate": 1e-2,
            "early_stopping_patience": 12,
            **training,
        },
    }


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    run_recipe(recipe_from_dict(recipe_data(folder)))
    return folder


def test_training_learns_and_writes_down_what_happened(finished: Path) -> None:
    for name in MEMBERS:
        report = json.loads((finished / "run" / name / "training.json").read_text())
        assert report["best_dev_f1"] > 0.9
        assert report["records"] == {"train": 18, "dev": 6}
        assert report["recipe"]["training"]["seed"] == 42
        kept = find_kept(report["history"])
        assert kept is not None
        assert kept.entry["eval_f1"] == report["best_dev_f1"]
        assert report["seconds"] > 0
        assert not (finished / "run" / name / "checkpoints").exists()


def test_the_composite_finds_what_was_taught(finished: Path) -> None:
    pipe = pipeline("hybrid-ner", model=str(finished / "run" / "composite"), device="cpu")
    found = {(e["word"], e["entity_group"]) for e in pipe("北约在叙利亚部署了干扰机。")}
    assert found == {("北约", "State"), ("叙利亚", "Place")}


def test_finished_members_are_kept(finished: Path) -> None:
    before = {name: (finished / "run" / name / "model.safetensors").stat().st_mtime_ns for name in MEMBERS}
    run_recipe(recipe_from_dict(recipe_data(finished)))
    assert before == {name: (finished / "run" / name / "model.safetensors").stat().st_mtime_ns for name in MEMBERS}


def test_another_recipe_does_not_overwrite_by_accident(finished: Path) -> None:
    with pytest.raises(RecipeError, match="--overwrite"):
        run_recipe(recipe_from_dict(recipe_data(finished, seed=1)))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    results = []
    for number, seed in enumerate((5, 5, 6)):
        data = recipe_data(tmp_path, ("roberta-bigru-crf",), epochs=2, seed=seed, output=str(tmp_path / str(number)))
        run_recipe(recipe_from_dict(data))
        results.append(weights(tmp_path / str(number) / "roberta-bigru-crf"))
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])
    assert not all(torch.equal(results[0][name], results[2][name]) for name in results[0])


def test_a_killed_run_goes_on_and_ends_where_it_would_have(tmp_path: Path) -> None:
    data = recipe_data(tmp_path, ("spanner",), epochs=8, early_stopping_patience=8)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(data))
    command = ("hybridner", "train", str(recipe))
    checkpoints = tmp_path / "run" / "spanner" / "checkpoints"
    kill_before(r"/checkpoint-\d+$", 2, *command, environment=environment())
    assert len(list(checkpoints.glob("checkpoint-*"))) == 1
    assert not (tmp_path / "run" / "spanner" / "training.json").exists()
    again = run("-m", *command, environment=environment())
    assert again.returncode == 0, again.stderr
    whole = recipe_from_dict({**data, "training": {**data["training"], "output": str(tmp_path / "whole")}})
    run_recipe(whole)
    killed, uninterrupted = weights(tmp_path / "run" / "spanner"), weights(tmp_path / "whole" / "spanner")
    for name, tensor in uninterrupted.items():
        torch.testing.assert_close(killed[name], tensor, msg=name)
    report = json.loads((tmp_path / "run" / "spanner" / "training.json").read_text())
    assert len([entry for entry in report["history"] if "eval_f1" in entry]) == 8


def test_two_processes_train_together(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_data(tmp_path, epochs=10, batch_size=2)))
    run_together("-m", "hybridner", "train", str(recipe), environment=environment())
    report = json.loads((tmp_path / "run" / "spanner" / "training.json").read_text())
    assert report["processes"] == 2
    assert report["best_dev_f1"] > 0.9
    assert (tmp_path / "run" / "composite" / "model.safetensors").exists()


def test_training_on_a_wrong_recipe_ends_with_one_line(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("data: {train: x}\nmembers: {}\ntraining: {output: y, epohs: 3}\n")
    result = run("-m", "hybridner", "train", str(recipe), environment=environment())
    assert result.returncode == 1
    assert "training.epohs: unknown key; did you mean 'epochs'" in result.stderr
    assert "Traceback" not in result.stderr


def test_only_some_members_leaves_the_composite_for_later(tmp_path: Path) -> None:
    recipe = recipe_from_dict(recipe_data(tmp_path, epochs=1))
    composite = run_recipe(recipe, only=["spanner"])
    assert not composite.exists()
    assert run_recipe(recipe).exists()
    with pytest.raises(RecipeError, match="not in the recipe"):
        run_recipe(recipe, only=["nobody"])


def test_data_without_entities_or_with_unknown_labels_stops_at_once(tmp_path: Path) -> None:
    data = recipe_data(tmp_path)
    labels = tmp_path / "labels.yaml"
    labels.write_text("labels: [State]\n")
    for source, problem in (
        (str(labels), "labels Place occur in the data"),
        ("msra", "Place, State"),
        ("nowhere.yaml", "nowhere"),
    ):
        with pytest.raises(DataError, match=problem):
            run_recipe(recipe_from_dict({**data, "data": {**data["data"], "labels": source}}))
    write_jsonl([Record("没有实体。", id=str(n), group=str(n)) for n in range(8)], tmp_path / "train.jsonl")
    with pytest.raises(DataError, match="no entity at all"):
        run_recipe(recipe_from_dict(data))


def test_the_recipe_in_the_report_makes_the_same_run(finished: Path) -> None:
    report = json.loads((finished / "run" / "spanner" / "training.json").read_text())
    assert recipe_from_dict(report["recipe"]).to_dict() == report["recipe"]


def test_the_strategy_is_the_best_on_dev_and_written_down(finished: Path) -> None:
    report = json.loads((finished / "run" / "composite" / "training.json").read_text())
    dev = report["dev"]
    assert set(dev["strategies"]) == {"score", "majority", "mean"}
    assert dev["strategies"][dev["strategy"]] == max(dev["strategies"].values())
    assert dev["chosen_on_dev"]
    assert dev["records"] == 6
    model = HybridNerModel.from_pretrained(finished / "run" / "composite")
    assert model.config.strategy == dev["strategy"]
    for name in MEMBERS:
        member = json.loads((finished / "run" / name / "training.json").read_text())
        assert report["members"][name] == member
        assert dev["members"][name] == pytest.approx(member["best_dev_f1"])


def test_a_dead_member_is_told_and_does_not_kill_the_composite(finished: Path, tmp_path: Path) -> None:
    """SpanNER has learned nothing, so what leans on its scores finds nothing; the taggers' votes still do."""
    data = recipe_data(tmp_path, epochs=12)
    data["members"]["spanner"] |= {"encoder_learning_rate": 1e-9, "head_learning_rate": 1e-9}
    # Two votes against SpanNER's and the one for O.
    for name in ("first", "second", "third"):
        data["members"][name] = data["members"]["bert-bilstm-crf"]
        shutil.copytree(finished / "run" / "bert-bilstm-crf", tmp_path / "run" / name)
    del data["members"]["bert-bilstm-crf"]
    with pytest.warns(UserWarning, match=r"spanner: the entity F1 on dev came to 0\.0.*learning_rate"):
        run_recipe(recipe_from_dict({**data, "data": {**data["data"], "train": str(finished / "train.jsonl")}}))
    dev = json.loads((tmp_path / "run" / "composite" / "training.json").read_text())["dev"]
    assert dev["strategies"]["score"] < 0.1 < dev["strategies"][dev["strategy"]]
    assert dev["strategy"] != "score"


def test_a_strategy_that_the_recipe_names_is_kept(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    data = recipe_data(finished, output=str(tmp_path / "run"))
    composite = run_recipe(recipe_from_dict({**data, "composite": {"strategy": "mean", "threshold": 0.3}}))
    config = HybridNerModel.from_pretrained(composite).config
    assert (config.strategy, config.threshold) == ("mean", 0.3)
    assert not json.loads((composite / "training.json").read_text())["dev"]["chosen_on_dev"]


def test_a_composite_that_was_calibrated_since_stays(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    model = HybridNerModel.from_pretrained(tmp_path / "run" / "composite")
    model.config.temperature = 1.7
    model.save_pretrained(tmp_path / "run" / "composite")
    run_recipe(recipe_from_dict(recipe_data(finished, output=str(tmp_path / "run"))))
    assert HybridNerModel.from_pretrained(tmp_path / "run" / "composite").config.temperature == 1.7


def test_a_run_of_other_data_is_not_taken_for_finished(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "run", tmp_path / "run")
    write_jsonl(small_records()[:-1], tmp_path / "train.jsonl")
    with pytest.raises(RecipeError, match="other data"):
        run_recipe(recipe_from_dict(recipe_data(tmp_path)))


def test_what_cannot_work_is_one_line_before_anything_is_trained(tmp_path: Path) -> None:
    data = recipe_data(tmp_path)
    (tmp_path / "run").write_text("a file")
    with pytest.raises(RecipeError, match=r"training\.output: .*run"):
        run_recipe(recipe_from_dict(data))
    data["members"]["spanner"]["encoder"] = "/no/such/encoder"
    with pytest.raises(RecipeError, match=r"members\.spanner\.encoder: there is no folder"):
        run_recipe(recipe_from_dict(data))


def test_entities_that_no_piece_holds_are_told(tmp_path: Path) -> None:
    text = "北约在叙利亚部署了干扰机。" * 8
    long = Record(text, (Span(0, 2, "State"), Span(3, 90, "Place")), "long", "long")
    write_jsonl([*small_records(), long], tmp_path / "train.jsonl")
    write_jsonl(small_records()[:4], tmp_path / "dev.jsonl")
    data = recipe_data(tmp_path, ("bert-bilstm-crf",), epochs=1)
    data["data"] = {"train": str(tmp_path / "train.jsonl"), "dev": str(tmp_path / "dev.jsonl")}
    with pytest.warns(UserWarning, match="1 entities in train are left out: they are longer than the 64 characters"):
        run_recipe(recipe_from_dict(data))
    report = json.loads((tmp_path / "run" / "bert-bilstm-crf" / "training.json").read_text())
    assert report["unrepresentable"] == pytest.approx(1 / 50)


def test_every_setting_of_a_recipe_reaches_the_trainer(tmp_path: Path) -> None:
    data = recipe_data(
        tmp_path,
        epochs=7,
        batch_size=5,
        gradient_accumulation_steps=3,
        encoder_learning_rate=1e-4,
        head_learning_rate=1e-2,
        weight_decay=0.3,
        warmup_ratio=0.2,
        early_stopping_patience=6,
        seed=9,
        mixed_precision="bf16",
    )
    data["members"]["spanner"] |= {"encoder_learning_rate": 2e-4, "head_learning_rate": 2e-2}
    recipe = recipe_from_dict(data)
    arguments = training_arguments(recipe, MEMBERS, tmp_path / "checkpoints")
    assert arguments.output_dir == str(tmp_path / "checkpoints")
    assert (arguments.num_train_epochs, arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps) == (7, 5, 3)
    assert (arguments.encoder_learning_rate, arguments.head_learning_rate) == (1e-4, 1e-2)
    assert arguments.member_learning_rates == {"spanner": 2e-2}
    assert (arguments.weight_decay, arguments.get_warmup_steps(100), arguments.early_stopping_patience) == (0.3, 20, 6)
    assert (arguments.seed, arguments.data_seed, arguments.bf16, arguments.fp16) == (9, 9, True, False)
    alone = training_arguments(recipe, ["spanner"], tmp_path)
    assert (alone.encoder_learning_rate, alone.member_learning_rates) == (2e-4, {"spanner": 2e-2})
    plain = training_arguments(recipe.changed("training", mixed_precision="no"), MEMBERS, tmp_path)
    assert not plain.bf16


def test_a_recipe_and_python_have_the_same_defaults(tmp_path: Path) -> None:
    data = recipe_data(tmp_path)
    recipe = recipe_from_dict({**data, "training": {"output": str(tmp_path)}})
    written, plain = training_arguments(recipe, MEMBERS, tmp_path), HybridNerTrainingArguments(output_dir=str(tmp_path))
    for name, value in vars(plain).items():
        if not name.startswith("_") and name not in ("member_learning_rates", "accelerator_config", "distributed_state"):
            assert getattr(written, name) == value, name


def test_members_that_learned_traditional_characters_see_them() -> None:
    assert is_simplified(small_records())
    assert not is_simplified([Record("俄羅斯在敘利亞部署了干擾機。")])
    # A name in many sentences changes nothing.
    assert is_simplified([*small_records() * 4, Record("陳在北约。")])
