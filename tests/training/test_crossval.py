from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from hybridner.data import read_records, write_jsonl
from hybridner.ensemble import Predictions
from hybridner.errors import RecipeError
from hybridner.hybrid import ExampleIndex, HybridNerModel
from hybridner.hybrid.engine import predict_records
from hybridner.spans import Record, Span
from hybridner.training import recipe_from_dict, run_recipe
from hybridner.training.crossval import run_crossval
from hybridner.training.example_index import index_examples
from tests.support.forked import kill_before
from tests.support.launching import run_together
from tests.training.test_run import environment, recipe_data

LABELS = ("State", "Place")


def told_by_heart() -> list[Record]:
    """Names whose type nothing but having seen them can tell."""
    dice = np.random.default_rng(7)
    labels = dice.permutation([0, 1] * 18)
    return [
        Record(f"在{chr(0x4E00 + 37 * number)}部署。", (Span(1, 2, LABELS[label]),), str(number), f"document {number // 2}")
        for number, label in enumerate(labels.tolist())
    ]


def share_of_right_labels(predictions: Predictions) -> float:
    """Of the names, by the spanner's most probable type."""
    gold = predictions.gold
    return float((predictions.ballot.logits[gold > 0, 1:].argmax(1) + 1 == gold[gold > 0]).mean())


def crossval_data(folder: Path, **training: object) -> dict:
    write_jsonl(told_by_heart(), folder / "train.jsonl")
    # Early stopping has to see progress, and there is none on names that were never seen.
    write_jsonl(told_by_heart()[::3], folder / "dev.jsonl")
    data = recipe_data(folder, ("spanner",), **{"epochs": 14, "early_stopping_patience": 14, "batch_size": 6, **training})
    return {**data, "data": {"train": str(folder / "train.jsonl"), "dev": str(folder / "dev.jsonl")}, "crossval": {"folds": 3}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crossval")
    recipe = recipe_from_dict(crossval_data(folder))
    run_crossval(recipe)
    run_recipe(recipe)
    return folder


def test_no_prediction_is_by_a_member_that_saw_the_sentence(finished: Path) -> None:
    """What can only be known by heart is known by members trained on it, and not out of fold."""
    held_out = Predictions.load(finished / "run" / "oof.parquet")
    model = HybridNerModel.from_pretrained(finished / "run" / "composite")
    assert share_of_right_labels(predict_records(model, held_out.records)) > 0.95
    assert share_of_right_labels(held_out) < 0.75


def test_a_run_with_both_leaves_an_index_of_hard_examples(finished: Path) -> None:
    model = HybridNerModel.from_pretrained(finished / "run" / "composite")
    index = ExampleIndex.of(finished / "run" / "examples.parquet", model)
    predictions = Predictions.load(finished / "run" / "oof.parquet")
    assert index.examples == ExampleIndex.build(model, predictions).examples
    assert {example.words for example in index.examples} >= {record.text[1] for record in predictions.records}
    before = (finished / "run" / "examples.parquet").stat().st_mtime_ns
    assert index_examples(finished / "run") == finished / "run" / "examples.parquet"
    assert (finished / "run" / "examples.parquet").stat().st_mtime_ns == before


def test_every_training_record_is_predicted_once_in_one_fold_with_its_document(finished: Path) -> None:
    predictions = Predictions.load(finished / "run" / "oof.parquet")
    names = [record.id for record in predictions.records]
    assert len(names) == len(set(names)) == 36
    assert set(names) == {record.id for record in read_records(finished / "train.jsonl")}
    assert names == sorted(names, key=int), "in the order of train"
    homes: dict[str, set[int]] = {}
    for record, fold in zip(predictions.records, predictions.folds.tolist(), strict=True):
        homes.setdefault(record.group, set()).add(fold)
    assert all(len(home) == 1 for home in homes.values())
    assert set(predictions.folds.tolist()) == {0, 1, 2}
    assert predictions.about["recipe"]["training"]["seed"] == 42
    assert sorted(path.name for path in (finished / "run" / "crossval").iterdir()) == [f"{n}-of-3.parquet" for n in range(3)]


def test_finished_folds_are_kept_and_those_of_another_recipe_refused(finished: Path) -> None:
    files = sorted((finished / "run" / "crossval").iterdir())
    before = [path.stat().st_mtime_ns for path in files]
    run_crossval(recipe_from_dict(crossval_data(finished)))
    assert [path.stat().st_mtime_ns for path in files] == before
    with pytest.raises(RecipeError, match="--overwrite"):
        run_crossval(recipe_from_dict(crossval_data(finished, head_learning_rate=0.02)))
    with pytest.raises(RecipeError, match="folds 0 to 2"):
        run_crossval(recipe_from_dict(crossval_data(finished)), only=[3])


def test_a_killed_run_goes_on_and_gives_the_same(finished: Path, tmp_path: Path) -> None:
    data = crossval_data(tmp_path)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    kill_before(r"/1-of-3\.parquet$", 1, "hybridner", "crossval", str(tmp_path / "recipe.yaml"), environment=environment())
    assert [path.name for path in (tmp_path / "run" / "crossval").glob("*.parquet")] == ["0-of-3.parquet"]
    assert not (tmp_path / "run" / "oof.parquet").exists()
    run_crossval(recipe_from_dict(data))
    again, known = (Predictions.load(folder / "run" / "oof.parquet") for folder in (tmp_path, finished))
    np.testing.assert_array_equal(again.ballot.spans, known.ballot.spans)
    np.testing.assert_allclose(again.ballot.logits, known.ballot.logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("command", "said"), [("train", "composite: "), ("crossval", "out-of-fold predictions: ")])
def test_two_processes_with_nothing_left_to_train_know_of_each_other(finished: Path, command: str, said: str) -> None:
    """It is no Trainer that tells them; one of them assembles and speaks for both."""
    recipe = finished / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(crossval_data(finished)))
    written, _ = run_together("-m", "hybridner", command, str(recipe), environment=environment())
    assert written.count(said) == 1
