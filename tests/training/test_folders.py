"""A run goes on in its own folder, and in nobody else's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hybridner.errors import RecipeError
from hybridner.launch import processes
from hybridner.spans import Label, LabelSet, Record
from hybridner.training import Recipe, TrainingData, folders, recipe_from_dict
from hybridner.training.folders import REPORT, has_finished, take_fingerprint
from hybridner.training.members import check_encoders
from tests.support.tiny import small_records

DATA = TrainingData(small_records()[:18], small_records()[18:], LabelSet.of(["Place", "State"]))


def recipe(encoder: Any = "bert-base-chinese", **training: Any) -> Recipe:
    return recipe_from_dict(
        {
            "data": {"train": "train.jsonl"},
            "members": {"s": {"type": "spanner", "encoder": encoder}, "t": {"type": "bert-bilstm-crf", "encoder": encoder}},
            "training": {"output": "runs/x", **training},
        }
    )


def test_a_fingerprint_is_of_contents_and_not_of_paths(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "README.md").write_text(name)
    before = take_fingerprint(recipe(str(tmp_path / "one")), ["s"], DATA)
    moved = recipe(str(tmp_path / "other"), output="elsewhere").changed("data", train="moved.jsonl")
    assert take_fingerprint(moved, ["s"], DATA) == before
    assert take_fingerprint(moved.changed("composite", strategy="majority"), ["s"], DATA) == before
    (tmp_path / "other" / "config.json").write_text("[]")
    assert take_fingerprint(moved, ["s"], DATA) != before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda recipe, data: (recipe.changed("training", seed=1), data), "other settings"),
        (lambda recipe, data: (recipe.changed("training", batch_size=8), data), "other settings"),
        (lambda recipe, data: (recipe, replace(data, train=data.train[:-1])), "other data"),
        (lambda recipe, data: (recipe, replace(data, dev=data.dev[::-1])), "other data"),
        (lambda recipe, data: (recipe, replace(data, train=[Record(r.text, r.entities[:1]) for r in data.train])), "other data"),
        (lambda recipe, data: (recipe, replace(data, labels=LabelSet((Label("Place", "地"), Label("State"))))), "label set"),
        (lambda _, data: (recipe("another"), data), "another encoder"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_what_another_run_left_is_kept_and_the_difference_said(
    tmp_path: Path, change: Callable[..., tuple[Recipe, TrainingData]], said: str, finished: bool
) -> None:
    folder, state = tmp_path / "s", processes()
    before = take_fingerprint(recipe(), ["s"], DATA)
    assert not has_finished(folder, before, False, state)
    (folder / "weights").write_text("precious")
    if finished:
        (folder / REPORT).write_text("{}")
    assert has_finished(folder, before, False, state) == finished
    changed, data = change(recipe(), DATA)
    after = take_fingerprint(changed, ["s"], data)
    with pytest.raises(RecipeError, match=f"was {'trained' if finished else 'begun'} with .*{said}.*--overwrite"):
        has_finished(folder, after, False, state)
    assert (folder / "weights").exists()
    assert not has_finished(folder, after, True, state)
    assert not (folder / "weights").exists()
    assert not has_finished(folder, after, False, state), "begun, and its own"


def test_another_version_of_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    has_finished(tmp_path, take_fingerprint(recipe(), ["s"], DATA), False, processes())
    known = folders.__version__
    monkeypatch.setattr(folders, "__version__", "99")
    with pytest.raises(RecipeError, match=f"hybridner {known}"):
        has_finished(tmp_path, take_fingerprint(recipe(), ["s"], DATA), False, processes())


@pytest.mark.parametrize("mark", [None, "{", "[1]"])
def test_a_folder_that_nobody_can_account_for_is_not_touched(tmp_path: Path, mark: str | None) -> None:
    (tmp_path / REPORT).write_text("{}")
    if mark is not None:
        (tmp_path / "fingerprint.json").write_text(mark)
    with pytest.raises(RecipeError, match="another recipe"):
        has_finished(tmp_path, take_fingerprint(recipe(), ["s"], DATA), False, processes())


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(RecipeError, match=r"training\.output: .*choose another folder"):
        has_finished(tmp_path / "run" / "s", take_fingerprint(recipe(), ["s"], DATA), False, processes())


@pytest.mark.parametrize("encoder", ["/no/such/folder", "./encoder", "models/of/mine", "~/encoder"])
def test_an_encoder_that_is_nowhere_is_named_before_anything_is_trained(encoder: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"members\.s\.encoder: there is no folder"):
        check_encoders(recipe(encoder).members)


def test_folders_hub_ids_and_new_encoders_are_accepted(tmp_path: Path) -> None:
    for encoder in (str(tmp_path), "bert-base-chinese", "hfl/chinese-macbert-base", {"model_type": "bert"}):
        check_encoders(recipe(encoder).members)
    file = shutil.copy(__file__, tmp_path / "weights.bin")
    with pytest.raises(RecipeError, match="there is no folder"):
        check_encoders(recipe(str(file)).members)
