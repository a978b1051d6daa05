"""Out-of-fold predictions: what members say about sentences they were not trained on.

Whatever is fitted after training (weights, stackers, temperatures, thresholds, confusion matrices) is fitted on these. Early
stopping uses the recipe's dev records, which are in no fold.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState

from hybridner.data import fold_numbers
from hybridner.ensemble import Predictions, concat_predictions
from hybridner.errors import RecipeError
from hybridner.hybrid import HybridNerModel, predict_records
from hybridner.launch import processes
from hybridner.spans import LabelSet, Record
from hybridner.training.recipe import Recipe
from hybridner.training.run import load_data, train_and_assemble

#: The out-of-fold predictions of a run, in its output folder.
OUT_OF_FOLD = "oof.parquet"
_FOLDS = "crossval"


def run_crossval(recipe: Recipe, only: Sequence[int] = (), overwrite: bool = False) -> Path:
    """Train all members once for each fold and keep their predictions on the part that was held out.

    A run that was killed goes on where it was: finished folds are kept, an unfinished one resumes from its last epoch.

    Args:
        recipe: what to do; `recipe.crossval.folds` says in how many parts.
        only: numbers of the folds to do now, from 0; by default all. The folds are put together once all are there.
        overwrite: throw away what an earlier run with another recipe left in the output folder.

    Returns:
        the Parquet file of `Predictions` (not there yet when `only` left folds out).

    Raises:
        RecipeError: `only` names a fold that does not exist, or the output folder holds predictions of another recipe.
        DataError: see `load_data`; or there are fewer documents than folds.
    """
    folds = recipe.crossval.folds
    for number in only:
        if not 0 <= number < folds:
            raise RecipeError(f"there is no fold {number}; the recipe has folds 0 to {folds - 1}")
    train, dev, labels = load_data(recipe)
    numbers = np.array(fold_numbers(train, folds, recipe.training.seed))
    output = Path(recipe.training.output)
    paths = [output / _FOLDS / f"{fold}-of-{folds}.parquet" for fold in range(folds)]
    state = processes()
    about = _about(recipe, train, dev)
    for fold in only or range(folds):
        if not _finished(paths[fold], about, overwrite, state):
            _one_fold(recipe, fold, paths[fold], numbers, train, dev, labels, about, overwrite)
        state.wait_for_everyone()
    whole = output / OUT_OF_FOLD
    if state.is_main_process and all(path.exists() for path in paths):
        parts = concat_predictions([Predictions.load(path) for path in paths])
        # Back into the order of train.
        order = np.concatenate([np.flatnonzero(numbers == fold) for fold in range(folds)])
        parts.select_records(np.argsort(order)).save(whole)
    state.wait_for_everyone()
    return whole


def _one_fold(
    recipe: Recipe,
    fold: int,
    path: Path,
    numbers: np.ndarray,
    train: Sequence[Record],
    dev: Sequence[Record],
    labels: LabelSet,
    about: dict[str, Any],
    overwrite: bool,
) -> None:
    folder = path.with_suffix("")
    others = [record for record, number in zip(train, numbers, strict=True) if number != fold]
    held_out = [record for record, number in zip(train, numbers, strict=True) if number == fold]
    part = replace(recipe, training=replace(recipe.training, output=str(folder)), hub=None)
    composite = train_and_assemble(part, others, dev, labels, overwrite=overwrite)
    if processes().is_main_process:
        model = HybridNerModel.from_pretrained(composite)
        predictions = predict_records(model, held_out)
        replace(predictions, folds=np.full(len(held_out), fold), about=about).save(path)
        # Only the predictions are needed from now on, and models of all folds would fill a disk.
        shutil.rmtree(folder)


def _about(recipe: Recipe, train: Sequence[Record], dev: Sequence[Record]) -> dict[str, Any]:
    """What has to stand beside every figure made from the predictions."""
    parts = [[recipe.fingerprint(name) for name in recipe.members], recipe.crossval.folds]
    return {
        "kind": "out of fold",
        "folds": recipe.crossval.folds,
        "fingerprint": hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16],
        "records": {"train": len(train), "dev": len(dev)},
        "recipe": asdict(recipe),
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
            f"training.output: {path} holds predictions of another recipe; choose another output or pass --overwrite"
        )
    if state.is_main_process:
        path.unlink()
    state.wait_for_everyone()
    return False
