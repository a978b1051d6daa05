"""Out-of-fold predictions: what members say about sentences they were not trained on.

Whatever is fitted after training (weights, stackers, temperatures, thresholds, confusion matrices) is fitted on these. Early
stopping uses the recipe's dev records, which are in no fold.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from numpy.typing import NDArray

from hybridner.data import assign_folds
from hybridner.ensemble import Predictions, concat_predictions
from hybridner.errors import RecipeError
from hybridner.hybrid import predict_records
from hybridner.launch import processes
from hybridner.spans import Record
from hybridner.training.assembling import load_members
from hybridner.training.data import TrainingData, load_data
from hybridner.training.example_index import OUT_OF_FOLD, index_examples
from hybridner.training.folders import take_fingerprint
from hybridner.training.members import check_encoders
from hybridner.training.recipe import Recipe
from hybridner.training.run import train_members

_FOLDS = "crossval"


@dataclass(frozen=True)
class _Fold:
    """A part of the training records that is predicted by members trained on the others.

    Attributes:
        number: from 0.
        path: where its predictions go.
        recipe: trains the members in a folder beside it.
        data: the records to train on, dev, and labels.
        held_out: the records to predict.
    """

    number: int
    path: Path
    recipe: Recipe
    data: TrainingData
    held_out: list[Record]


def run_crossval(recipe: Recipe, only: Sequence[int] = (), overwrite: bool = False) -> Path:
    """Train all members once for each fold and keep their predictions on the part that was held out.

    A run that was killed goes on where it was: finished folds are kept, an unfinished one resumes from its last epoch.

    Args:
        recipe: what to do; `recipe.crossval.folds` says in how many parts.
        only: numbers of the folds to do now, from 0; by default all. The folds are put together once all are there.
        overwrite: throw away what an earlier run with another recipe or other data left in the output folder.

    Returns:
        the Parquet file of `Predictions` (not there yet when `only` left folds out).

    Raises:
        RecipeError: `only` names a fold that does not exist, or the output folder holds predictions of another recipe or data.
        DataError: see `load_data`; or there are fewer documents than folds.
    """
    folds = recipe.crossval.folds
    for number in only:
        if not 0 <= number < folds:
            raise RecipeError(f"there is no fold {number}; the recipe has folds 0 to {folds - 1}")
    check_encoders(recipe.members)
    data = load_data(recipe)
    numbers = np.array(assign_folds(data.train, folds, recipe.training.seed))
    output = Path(recipe.training.output)
    paths = [output / _FOLDS / f"{fold}-of-{folds}.parquet" for fold in range(folds)]
    state = processes()
    about = _about(recipe, data)
    for number in only or range(folds):
        if not _finished(paths[number], about, overwrite, state):
            fold = _cut(recipe, data, numbers, number, paths[number])
            train_members(fold.recipe, fold.data, overwrite=overwrite)
            if state.is_main_process:
                _predict(fold, about)
        state.wait_for_everyone()
    whole = output / OUT_OF_FOLD
    if state.is_main_process and all(path.exists() for path in paths):
        parts = concat_predictions([Predictions.load(path) for path in paths])
        # Back into the order of train.
        order = np.concatenate([np.flatnonzero(numbers == fold) for fold in range(folds)])
        parts.select_records(np.argsort(order)).save(whole)
        index_examples(output)
    state.wait_for_everyone()
    return whole


def _cut(recipe: Recipe, data: TrainingData, numbers: NDArray[np.int_], number: int, path: Path) -> _Fold:
    held_out = [record for record, fold in zip(data.train, numbers, strict=True) if fold == number]
    others = [record for record, fold in zip(data.train, numbers, strict=True) if fold != number]
    beside = recipe.changed("training", output=str(path.with_suffix("")))
    return _Fold(number, path, beside, replace(data, train=others), held_out)


def _predict(fold: _Fold, about: dict[str, Any]) -> None:
    predictions = predict_records(load_members(fold.recipe, fold.data), fold.held_out)
    replace(predictions, folds=np.full(len(fold.held_out), fold.number), about=about).save(fold.path)
    # Only the predictions are needed from now on, and models of all folds would fill a disk.
    shutil.rmtree(fold.path.with_suffix(""))


def _about(recipe: Recipe, data: TrainingData) -> dict[str, Any]:
    """What has to stand beside every figure made from the predictions."""
    parts = [take_fingerprint(recipe, recipe.members, data), recipe.training.shared_encoder, recipe.crossval.folds]
    return {
        "kind": "out of fold",
        "folds": recipe.crossval.folds,
        "fingerprint": hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16],
        "records": {"train": len(data.train), "dev": len(data.dev)},
        "recipe": recipe.to_dict(),
    }


def _finished(path: Path, about: dict[str, Any], overwrite: bool, state: PartialState) -> bool:
    if not path.exists():
        return False
    known = Predictions.load(path).about.get("fingerprint")
    state.wait_for_everyone()
    if known == about["fingerprint"]:
        return True
    if not overwrite:
        raise RecipeError(
            f"training.output: {path} holds predictions of another recipe or of other data; choose another output "
            "or pass --overwrite"
        )
    if state.is_main_process:
        path.unlink()
    state.wait_for_everyone()
    return False
