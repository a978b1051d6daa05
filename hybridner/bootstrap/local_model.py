"""Local members trained on a few hundred sentences: by themselves, and crosswise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from accelerate.utils import set_seed

from hybridner.data.splitting import assign_folds
from hybridner.ensemble import Predictions, concat_predictions
from hybridner.hybrid import HybridNerModel, predict_records
from hybridner.spans import LabelSet, Record
from hybridner.training import HybridNerTrainer, HybridNerTrainingArguments, TrainingData
from hybridner.training.assembling import is_simplified
from hybridner.training.composing import compose, share_encoder
from hybridner.training.members import build_member
from hybridner.training.recipe import MemberSection


def train_local(
    members: Mapping[str, MemberSection], records: Sequence[Record], labels: LabelSet, arguments: HybridNerTrainingArguments
) -> HybridNerModel:
    """A composite of new members on one encoder, trained to the last epoch: there is no other data to stop early by.

    Raises:
        DataError: no record holds an entity.
    """
    set_seed(arguments.seed)
    data = TrainingData(records, records, labels)
    built = {name: build_member(section, data) for name, section in members.items()}
    share_encoder(built)
    model = compose(built)
    model.config.simplify = is_simplified(records)
    HybridNerTrainer(model, arguments, records).train()
    model.eval()
    return model


def cross_predict(
    fit: Callable[[Sequence[Record]], HybridNerModel], records: Sequence[Record], folds: int, seed: int, keep: Path
) -> Predictions:
    """What members trained on the other folds say about each record, in the order of the records.

    Args:
        fit: trains a composite on records.
        records: labelled ones.
        folds: how many.
        seed: of the folds.
        keep: folder in which each fold is kept as it is done, so that a stopped run goes on.
    """
    numbers = np.array(assign_folds(records, folds, seed))
    parts = []
    for fold in range(folds):
        path = keep / f"{fold}-of-{folds}.parquet"
        if not path.exists():
            others = [record for record, number in zip(records, numbers, strict=True) if number != fold]
            held_out = [record for record, number in zip(records, numbers, strict=True) if number == fold]
            predictions = predict_records(fit(others), held_out)
            replace(predictions, folds=np.full(len(held_out), fold)).save(path)
        parts.append(Predictions.load(path))
    order = np.concatenate([np.flatnonzero(numbers == fold) for fold in range(folds)])
    return concat_predictions(parts).select_records(np.argsort(order))


def training_arguments(seed: int, epochs: int, batch_size: int = 16) -> HybridNerTrainingArguments:
    """For small encoders and few sentences."""
    return HybridNerTrainingArguments(
        output_dir=tempfile.gettempdir(),
        num_train_epochs=epochs,
        per_device_train_batch_size=batch_size,
        encoder_learning_rate=2e-4,
        head_learning_rate=3e-3,
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=seed,
    )
