"""The records and labels of a run, checked before anything is trained on them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from hybridner.data import read_records, split_records
from hybridner.data.labels import load_label_set
from hybridner.errors import DataError
from hybridner.spans import LabelSet, Record
from hybridner.training.recipe import DataSection, Recipe


@dataclass(frozen=True)
class TrainingData:
    """What members are trained on.

    Attributes:
        train: labelled records.
        dev: others, for early stopping and the choice of the strategy.
        labels: the entity types.

    Raises:
        DataError: train or dev holds no entity.

    Examples:
        >>> TrainingData(records[:20], records[20:], LabelSet.of(["Place", "State"])).labels.names
        ('Place', 'State')
    """

    train: Sequence[Record]
    dev: Sequence[Record]
    labels: LabelSet

    def __post_init__(self) -> None:
        _check_entities(self.train, "train", "there is nothing to learn")
        _check_entities(self.dev, "dev", "the best epoch cannot be told from the others")


def load_data(recipe: Recipe) -> TrainingData:
    """The records and the label set that a recipe asks for.

    Raises:
        DataError: a file cannot be read, train or dev holds no entities, train is too small to hold out a part of it, or there
            are labels that the label file lacks.
    """
    section, seed = recipe.data, recipe.training.seed
    train = read_records(section.train)
    _check_entities(train, f"data.train ({section.train})", "there is nothing to learn")
    if section.dev is None:
        train, dev = hold_out(train, section, seed)
    else:
        dev = read_records(section.dev)
        _check_entities(dev, f"data.dev ({section.dev})", "the best epoch cannot be told from the others")
    train, dev = _sample(train, section.max_train_records, seed), _sample(dev, section.max_dev_records, seed)
    data = TrainingData(train, dev, load_label_set(section.labels, [*train, *dev]))
    unseen = sorted(_labels(dev) - _labels(train))
    if unseen:
        warnings.warn(f"labels {', '.join(unseen)} occur in dev but not in train and cannot be learned", stacklevel=2)
    return data


def hold_out(records: Sequence[Record], section: DataSection, seed: int) -> tuple[list[Record], list[Record]]:
    """(train, dev): whole documents where possible, else sentences inside of them, with a warning; both hold entities.

    Raises:
        DataError: there is no such split, as there are too few different sentences with entities.
    """
    for number, (train, dev) in enumerate(_splits(records, section.dev_fraction, seed)):
        if _labels(train) and _labels(dev):
            if number and len({record.group for record in records if record.group}):
                warnings.warn(
                    f"{section.train}: no whole documents make up {section.dev_fraction:.0%} of the records, so sentences for "
                    "dev are drawn inside of documents; the F1 on dev will be better than that on new documents. Give data.dev, "
                    "or a larger data.dev_fraction",
                    stacklevel=3,
                )
            return train, dev
    raise DataError(
        f"{len(records)} records with {sum(bool(record.entities) for record in records)} that hold entities are too few to hold "
        "out a part of them; give data.dev, a file of other labelled records",
        section.train,
    )


def _splits(records: Sequence[Record], fraction: float, seed: int) -> Iterator[tuple[list[Record], list[Record]]]:
    """Ever less careful ways of holding out a part."""
    yield split_records(records, fraction, seed)
    # The number as id tells after a split, in which records of one text stay together, which ones were held out.
    alone = [replace(record, group="", id=str(number)) for number, record in enumerate(records)]
    labelled = [record for record in alone if record.entities]
    _, dev_unlabelled = split_records([record for record in alone if not record.entities], fraction, seed)
    share = max(fraction, 1 / max(len(labelled), 2))
    while share < 1:
        _, dev = split_records(labelled, min(share, 0.5), seed)
        held = {int(record.id) for record in (*dev, *dev_unlabelled)}
        numbered = list(enumerate(records))
        yield [r for number, r in numbered if number not in held], [r for number, r in numbered if number in held]
        share *= 2


def _check_entities(records: Sequence[Record], name: str, consequence: str) -> None:
    if not records:
        raise DataError(f"{name} holds no record, and {consequence}")
    if not _labels(records):
        raise DataError(f"{name} holds no entity at all, and {consequence}; check the file and its format")


def _labels(records: Sequence[Record]) -> set[str]:
    return {span.label for record in records for span in record.entities}


def _sample(records: list[Record], limit: int | None, seed: int) -> list[Record]:
    """So many of the records, drawn with the seed and in their old order."""
    if limit is None:
        return records
    order = torch.randperm(len(records), generator=torch.Generator().manual_seed(seed)).tolist()
    return [records[index] for index in sorted(order[:limit])]
