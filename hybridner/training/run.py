"""A whole run: read the data, train each member, assemble the composite, write down what happened."""

from __future__ import annotations

import json
import platform
import shutil
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
import transformers
import yaml
from accelerate import PartialState
from accelerate.utils import set_seed

from hybridner.data import label_set, labels_of, read_records, split_records
from hybridner.data.corpora.catalog import SOURCES
from hybridner.errors import DataError, RecipeError
from hybridner.hub import push_folder
from hybridner.hybrid import HybridNerModel
from hybridner.launch import processes
from hybridner.models import MEMBER_CLASSES, MemberModel, SpannerModel
from hybridner.spans import LabelSet, Record
from hybridner.text import CharacterVocabulary
from hybridner.training.features import Feature, make_features
from hybridner.training.recipe import COMPOSITE, SHARED, MemberSection, Recipe
from hybridner.training.shared import share_encoder, train_shared
from hybridner.training.trainer import CHECKPOINTS, inexpressible_share, train_member

REPORT = "training.json"


def load_data(recipe: Recipe) -> tuple[list[Record], list[Record], LabelSet]:
    """Training records, dev records and the label set that a recipe asks for.

    Raises:
        DataError: a file cannot be read, holds no entities, or has labels that the label file lacks.
    """
    section, seed = recipe.data, recipe.training.seed
    train = read_records(section.train)
    if section.dev is None:
        train, dev = split_records(train, section.dev_fraction, seed)
    else:
        dev = read_records(section.dev)
    train, dev = _drawn(train, section.limit, seed), _drawn(dev, section.dev_limit, seed)
    return train, dev, load_labels(section.labels, [*train, *dev])


def _drawn(records: list[Record], limit: int | None, seed: int) -> list[Record]:
    """So many of the records, drawn with the seed and in their old order."""
    if limit is None:
        return records
    order = torch.randperm(len(records), generator=torch.Generator().manual_seed(seed)).tolist()
    return [records[index] for index in sorted(order[:limit])]


def load_labels(source: str | None, records: Sequence[Record]) -> LabelSet:
    """The label set of a known data set or of a YAML file, or of what occurs in the records.

    Raises:
        DataError: no entity at all, a file that cannot be read, or labels in the data that the label set lacks.
    """
    if not any(record.entities for record in records):
        raise DataError("the training data holds no entity at all; check the file and its format")
    found = labels_of(records)
    if source is None:
        return found
    labels = label_set(source) if source in SOURCES else _read_labels(source)
    missing = [name for name in found.names if name not in labels.names]
    if missing:
        raise DataError(f"labels {', '.join(missing)} occur in the data but not in this label set", source)
    return labels


def _read_labels(path: str) -> LabelSet:
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"cannot be read as a YAML label set: {error}", path) from error
    if not isinstance(content, dict):
        raise DataError("expected `labels` and, if you like, `domain`", path)
    return LabelSet.from_dict(content)


def new_member(section: MemberSection, labels: LabelSet, train: Sequence[Record]) -> MemberModel:
    """An untrained member as its recipe section describes it."""
    model_class = MEMBER_CLASSES[section.type]
    if isinstance(section.encoder, str):
        return model_class.from_encoder(section.encoder, labels, num_hidden_layers=section.num_hidden_layers, **section.settings)
    vocabulary = CharacterVocabulary.of_texts(record.text for record in train)
    return model_class.from_scratch(section.encoder, vocabulary, labels, **section.settings)


def run_recipe(recipe: Recipe, only: Sequence[str] = (), overwrite: bool = False) -> Path:
    """Train the members of a recipe and assemble them; finished members are kept, an unfinished one is resumed.

    Args:
        recipe: what to do.
        only: names of the members to train now; by default all. The composite is assembled once all are there.
        overwrite: throw away what an earlier run with another recipe left in the output folder.

    Returns:
        the folder of the composite (not there yet when `only` left members out).

    Raises:
        RecipeError: `only` names an unknown member, or the output folder holds a member of another recipe.
        DataError: see `load_data`.
    """
    for name in only:
        if name not in recipe.members:
            raise RecipeError(f"members.{name}: not in the recipe; it has {', '.join(recipe.members)}")
    if only and recipe.training.shared_encoder:
        raise RecipeError("training.shared_encoder: members on one encoder are trained together, not one by one")
    train, dev, labels = load_data(recipe)
    return train_and_assemble(recipe, train, dev, labels, only, overwrite)


def train_and_assemble(
    recipe: Recipe,
    train: Sequence[Record],
    dev: Sequence[Record],
    labels: LabelSet,
    only: Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """As `run_recipe`, on records that are already in memory."""
    state = processes()
    output = Path(recipe.training.output)
    if recipe.training.shared_encoder:
        folders = [output / name for name in (*recipe.members, SHARED)]
        finished = [_finished(folder, recipe.fingerprint(folder.name), overwrite, state) for folder in folders]
        if not all(finished):
            _train_together(recipe, output, train, dev, labels, state)
        state.wait_for_everyone()
    else:
        for name in only or recipe.members:
            if not _finished(output / name, recipe.fingerprint(name), overwrite, state):
                _train_one(recipe, name, output / name, train, dev, labels, state)
            state.wait_for_everyone()
    composite = output / COMPOSITE
    if state.is_main_process and all((output / name / REPORT).exists() for name in recipe.members):
        members = {name: _load_member(recipe.members[name], output / name) for name in recipe.members}
        model = HybridNerModel.assemble(members, **asdict(recipe.composite))
        model.save_pretrained(composite)
        if recipe.hub is not None:
            push_folder(composite, recipe.hub.repo_id, private=recipe.hub.private)
    state.wait_for_everyone()
    return composite


def _load_member(section: MemberSection, folder: Path) -> MemberModel:
    model: MemberModel = MEMBER_CLASSES[section.type].from_pretrained(folder)
    return model


def _finished(folder: Path, fingerprint: str, overwrite: bool, state: PartialState) -> bool:
    """Whether this member is already trained; clears the folder of another recipe's member when asked to."""
    mark = folder / "recipe.id"
    known = mark.read_text().strip() if mark.exists() else None
    state.wait_for_everyone()
    if known not in (None, fingerprint):
        if not overwrite:
            raise RecipeError(
                f"training.output: {folder} holds a member trained with another recipe; choose another output or pass --overwrite"
            )
        if state.is_main_process:
            shutil.rmtree(folder)
    elif (folder / REPORT).exists():
        return True
    if state.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(fingerprint + "\n")
    state.wait_for_everyone()
    return False


def _train_one(
    recipe: Recipe,
    name: str,
    folder: Path,
    train: Sequence[Record],
    dev: Sequence[Record],
    labels: LabelSet,
    state: PartialState,
) -> None:
    section = recipe.members[name]
    set_seed(recipe.training.seed)
    model = new_member(section, labels, train)
    train_features, dev_features = make_features(train, model), make_features(dev, model)
    lost = _lost(name, model, train_features, state)
    began = time.monotonic()
    history = train_member(model, train_features, dev_features, section, recipe.training, folder)
    if not state.is_main_process:
        return
    model.eval().save_pretrained(folder)
    report = {
        "member": name,
        "recipe": asdict(recipe),
        "records": {"train": len(train), "dev": len(dev)},
        "inexpressible": lost,
        "best_dev_f1": max((entry["eval_f1"] for entry in history if "eval_f1" in entry), default=0.0),
        "history": history,
        **_circumstances(time.monotonic() - began, state),
    }
    _write_report(folder, report)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def _train_together(
    recipe: Recipe,
    output: Path,
    train: Sequence[Record],
    dev: Sequence[Record],
    labels: LabelSet,
    state: PartialState,
) -> None:
    """Train all members on one encoder; each is left in its own folder as if it had been trained alone."""
    set_seed(recipe.training.seed)
    model = share_encoder({name: new_member(section, labels, train) for name, section in recipe.members.items()})
    members = {name: model.member(name) for name in model.member_names}
    lost = {name: _lost(name, member, make_features(train, member), state) for name, member in members.items()}
    began = time.monotonic()
    history = train_shared(model, train, dev, recipe.training, output / SHARED)
    if not state.is_main_process:
        return
    seconds = time.monotonic() - began
    best = max((entry for entry in history if "eval_f1" in entry), key=lambda entry: entry["eval_f1"])
    shared = {"recipe": asdict(recipe), "records": {"train": len(train), "dev": len(dev)}, "history": history}
    for name in members:
        model.eval().member(name).save_pretrained(output / name)
        about = {"member": name, "inexpressible": lost[name], "best_dev_f1": best[f"eval_f1_{name}"]}
        # Each member's share of the time, so that the sum is what it took.
        _write_report(output / name, {**about, **shared, **_circumstances(seconds / len(members), state)})
    _write_report(output / SHARED, {"best_dev_f1": best["eval_f1"], **shared, **_circumstances(seconds, state)})
    shutil.rmtree(output / SHARED / CHECKPOINTS, ignore_errors=True)


def _lost(name: str, model: MemberModel, features: Sequence[Feature], state: PartialState) -> float:
    """Share of gold entities that the member cannot learn; said aloud when there are any."""
    lost = inexpressible_share(features, model)
    if lost > 0 and state.is_main_process:
        reason = "are longer than max_span_length" if isinstance(model, SpannerModel) else "lie inside or across another"
        warnings.warn(f"{name}: {lost:.1%} of the gold entities in train {reason} and cannot be learned", stacklevel=2)
    return lost


def _write_report(folder: Path, report: Mapping[str, Any]) -> None:
    (folder / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")


def _circumstances(seconds: float, state: PartialState) -> dict[str, Any]:
    """Where and how long: what has to stand beside every figure."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{platform.machine()} CPU"
    return {
        "seconds": round(seconds, 1),
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "device": device,
        "processes": state.num_processes,
        "threads": torch.get_num_threads(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
