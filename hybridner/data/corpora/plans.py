"""From a data set's name and folder to its splits, ready to be written or to be yielded by a builder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hybridner.data.corpora.catalog import SNCM_DRAFT, SOURCES, Source, label_set
from hybridner.data.formats.markup import Sentence
from hybridner.data.reading import iter_records, split_files
from hybridner.data.repairs import RepairLog
from hybridner.data.sncm.corpus import read_corpus_splits, read_draft_label_map, read_draft_splits
from hybridner.data.sncm.ontology import SNCM_OPEN, load_ontology
from hybridner.data.splitting import collect_labels, split_records
from hybridner.errors import DataError
from hybridner.spans import LabelSet, Record

#: Any folder of CoNLL-style files, whose labels are read off the files.
CONLL = "conll"
#: What `open_plan` takes.
NAMES = (*SOURCES, CONLL)

#: How the labelled files become splits. "official": as they are published. "held-out": the published validation set,
#: whose gold labels are at hand, becomes the test set, and a tenth of train the validation set, so that nothing is tuned on
#: what is reported.
VARIANTS = ("official", "held-out")
_CUT, _SEED = 0.1, 42


@dataclass(frozen=True)
class Plan:
    """The splits of a data set, not yet read where that can wait.

    Attributes:
        about: where it comes from; None for files of the user's own.
        labels: its label set; label number k in the data is ``labels.names[k]``.
        relations: the names of its relations; empty where the data set has none.
        splits: the sentences of each split; each can be gone through once.
    """

    about: Source | None
    labels: LabelSet
    relations: tuple[str, ...]
    splits: Mapping[str, Iterable[Sentence]]


def open_plan(
    name: str, data_dir: str | Path | None = None, *, variant: str = "official", repairs: RepairLog | None = None
) -> Plan:
    """How the files of a data set become splits.

    Args:
        name: one of `NAMES`.
        data_dir: the folder with the files; without one only `sncm` is at hand, as the open corpus.
        variant: one of `VARIANTS`.
        repairs: counts the repairs.

    Raises:
        DataError: an unknown name, a missing file, or whatever is wrong with the data.
    """
    if name not in NAMES:
        raise DataError(f"unknown data set {name!r}; known are {', '.join(NAMES)}")
    if variant not in VARIANTS:
        raise DataError(f"unknown variant {variant!r}; known are {', '.join(VARIANTS)}")
    if data_dir is None and name != "sncm":
        how = SOURCES[name].how_to_get if name in SOURCES else "Give the folder with its files."
        raise DataError(f"the files of {name} are needed. {how}")
    folder = SNCM_OPEN if data_dir is None else Path(data_dir)
    if name == "sncm" and any(folder.glob("*.txt")):
        if variant != "official":
            raise DataError("a corpus of marked-up text has one fixed split; leave the variant out", str(folder))
        return Plan(SOURCES[name], label_set(name), _relation_names(), read_corpus_splits(folder))
    return plan_files(name, split_files(folder), variant, repairs if repairs is not None else RepairLog())


def plan_files(name: str, files: Mapping[str, Path], variant: str, repairs: RepairLog) -> Plan:
    """As `open_plan`, for the files of each split."""
    labels = _labels_in(files) if name == CONLL else label_set(name)
    parts: dict[str, Iterable[Record]]
    if name == "sncm":
        label_map = read_draft_label_map(next(iter(files.values())).parent)
        parts = {**read_draft_splits(files, label_map, repairs)}
    else:
        format = "conll" if name == CONLL else None
        known = {label: label for label in labels.names}
        parts = {
            split: iter_records(path, format, repairs=repairs, label_map=known, prefix=split) for split, path in files.items()
        }
    if variant == "held-out":
        parts = _held_out(parts)
    elif name == "msra" and "validation" not in parts:
        parts = _cut_train(parts)
    splits: dict[str, Iterable[Sentence]] = {
        split: _sentences(parts[split]) for split in ("train", "validation", "test") if split in parts
    }
    about = SNCM_DRAFT if name == "sncm" else SOURCES.get(name)
    return Plan(about, labels, _relation_names() if name == "sncm" else (), splits)


def _cut_train(parts: Mapping[str, Iterable[Record]]) -> dict[str, Iterable[Record]]:
    train, validation = split_records(list(parts["train"]), _CUT, _SEED)
    return {**parts, "train": train, "validation": validation}


def _held_out(parts: Mapping[str, Iterable[Record]]) -> dict[str, Iterable[Record]]:
    if "train" not in parts or "validation" not in parts:
        raise DataError("the held-out variant needs a train and a validation file")
    return _cut_train({"train": parts["train"], "test": parts["validation"]})


def _labels_in(files: Mapping[str, Path]) -> LabelSet:
    # A reading of its own, so that nothing is counted twice; the files are too large to be kept.
    log = RepairLog()
    return collect_labels(record for path in files.values() for record in iter_records(path, "conll", repairs=log))


def _sentences(records: Iterable[Record]) -> Iterator[Sentence]:
    return (Sentence(record) for record in records)


def _relation_names() -> tuple[str, ...]:
    return tuple(relation.name for relation in load_ontology().relations)
