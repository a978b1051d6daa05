from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hybridner.errors import RecipeError
from hybridner.training import load_recipe, recipe_from_dict

GOOD = {
    "data": {"train": "train.jsonl"},
    "members": {"s": {"type": "spanner", "encoder": "bert-base-chinese", "settings": {"max_span_length": 16}}},
    "training": {"output": "runs/x"},
}


def changed(path: str, value: object) -> dict:
    data = yaml.safe_load(yaml.safe_dump(GOOD))
    *parents, last = path.split(".")
    target = data
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value
    return data


def test_a_recipe_fills_in_its_defaults() -> None:
    recipe = recipe_from_dict(GOOD)
    assert recipe.training.seed == 42
    assert recipe.composite.strategy is None, "chosen on dev"
    assert recipe.hub is None


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("training.epoch", 3, "training.epoch: unknown key; did you mean 'epochs'"),
        ("training.epochs", "three", "training.epochs: expected a whole number"),
        ("training.epochs", True, "training.epochs: expected a whole number"),
        ("training.epochs", 0, "training.epochs: expected at least 1, got 0"),
        ("training.encoder_learning_rate", "fast", "training.encoder_learning_rate: expected a number, got 'fast'"),
        ("training.head_learning_rate", 0, "training.head_learning_rate: expected more than 0"),
        ("training.warmup_ratio", 1, "training.warmup_ratio: expected less than 1"),
        ("training.shared_encoder", "perhaps", "training.shared_encoder: expected true or false"),
        ("training.mixed_precision", "int8", "training.mixed_precision: expected 'auto', 'no', 'bf16' or 'fp16', got 'int8'"),
        ("data.train", 5, "data.train: expected a text"),
        ("data", {}, "data.train: missing"),
        ("data", ["train"], "data: expected a mapping"),
        ("members", {}, "at least one member"),
        ("members.s.type", "lstm", "members.s.type: 'lstm' is none of bert-bilstm-crf"),
        ("members.s.encoder", 3, "members.s.encoder: expected a text or a mapping, got 3"),
        ("members.s.settings.max_span", 3, "members.s.settings.max_span: unknown key; did you mean 'max_span_length'"),
        ("members.composite", {"type": "spanner", "encoder": "x"}, "name is taken"),
        ("composite.strategy", "vote", "composite.strategy: 'vote' is none of"),
        ("hub", {"private": True}, "hub.repo_id: missing"),
        ("data.train", "${NOT_SET_ANYWHERE}/x", "data.train: the environment variable NOT_SET_ANYWHERE is not set"),
    ],
)
def test_a_wrong_key_or_value_is_named(path: str, value: object, problem: str) -> None:
    with pytest.raises(RecipeError, match=problem):
        recipe_from_dict(changed(path, value))


def test_files_overrides_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DATA", "/somewhere")
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(changed("data.train", "${MY_DATA}/train.jsonl")))
    recipe = load_recipe(file, {"training.seed": "7", "training.head_learning_rate": "2e-3", "members.s.num_hidden_layers": "4"})
    assert recipe.data.train == "/somewhere/train.jsonl"
    assert (recipe.training.seed, recipe.training.head_learning_rate, recipe.members["s"].num_hidden_layers) == (7, 2e-3, 4)


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "cannot read"), ("a: [", "not valid YAML"), ("- 1", "expected the sections")]
)
def test_an_unreadable_file_is_said(tmp_path: Path, content: str | None, problem: str) -> None:
    file = tmp_path / "recipe.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(RecipeError, match=problem):
        load_recipe(file)


def test_all_problems_are_said_at_once_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    data = changed("training.epochs", "three")
    data["training"]["sed"] = 3
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(RecipeError) as caught:
        load_recipe(file)
    assert f"{file}: training.sed: unknown key; did you mean 'seed'?" in str(caught.value)


def test_a_recipe_as_json_is_the_same_recipe() -> None:
    recipe = recipe_from_dict(GOOD)
    assert recipe_from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    other = recipe.changed("training", seed=7)
    assert (other.training.seed, recipe.training.seed, other.data) == (7, 42, recipe.data)


@pytest.mark.parametrize("file", sorted(Path("recipes").rglob("*.yaml")), ids=str)
def test_every_recipe_of_the_repository_is_valid(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYBRIDNER_DATA", "data")
    monkeypatch.setenv("ENCODER", "bert-base-chinese")
    monkeypatch.setenv("SNCM", "sncm")
    monkeypatch.setenv("PREPARED", "prepared")
    assert load_recipe(file).members
