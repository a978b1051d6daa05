"""A whole run: read the data, train the members, assemble the composite, write down what happened."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import set_seed

from hybridner.errors import RecipeError
from hybridner.launch import processes
from hybridner.training.arguments import HybridNerTrainingArguments
from hybridner.training.assembling import assemble, reads_simplified
from hybridner.training.composing import compose, share_encoder
from hybridner.training.data import TrainingData, load_data
from hybridner.training.example_index import index_examples
from hybridner.training.folders import REPORT, has_finished, output_errors, take_fingerprint
from hybridner.training.members import build_member, check_encoders
from hybridner.training.recipe import COMPOSITE, SHARED, Recipe
from hybridner.training.reports import (
    circumstances,
    unrepresentable_share,
    warn_of_failures,
    warn_of_losses,
    write_report,
)
from hybridner.training.stopping import find_kept
from hybridner.training.trainer import HybridNerTrainer

CHECKPOINTS = "checkpoints"


def run_recipe(recipe: Recipe, only: Sequence[str] = (), overwrite: bool = False) -> Path:
    """Train the members of a recipe and assemble them; finished members are kept, an unfinished one is resumed.

    Args:
        recipe: what to do.
        only: names of the members to train now; by default all. The composite is assembled once all are there.
        overwrite: throw away what an earlier run with another recipe or other data left in the output folder.

    Returns:
        the folder of the composite (not there yet when `only` left members out).

    Raises:
        RecipeError: `only` names an unknown member, an encoder is not there, or the output folder cannot be written to or holds
            a member of another recipe or of other data.
        DataError: see `load_data`.

    Examples:
        >>> recipe = recipe_from_dict({
        ...     "data": {"train": "train.jsonl", "dev": "dev.jsonl"},
        ...     "members": {"tagger": {"type": "bert-bilstm-crf", "encoder": "bert-base-chinese"}},
        ...     "training": {"output": "runs", "epochs": 3, "encoder_learning_rate": 2e-3, "head_learning_rate": 2e-2},
        ... })
        >>> folder = run_recipe(recipe)
        {'loss': ...}
        >>> folder.as_posix()
        'runs/composite'
    """
    for name in only:
        if name not in recipe.members:
            raise RecipeError(f"members.{name}: not in the recipe; it has {', '.join(recipe.members)}")
    if only and recipe.training.shared_encoder:
        raise RecipeError("training.shared_encoder: members on one encoder are trained together, not one by one")
    check_encoders(recipe.members)
    return train_and_assemble(recipe, load_data(recipe), only, overwrite)


def train_and_assemble(recipe: Recipe, data: TrainingData, only: Sequence[str] = (), overwrite: bool = False) -> Path:
    """As `run_recipe`, on records that are already in memory.

    Args:
        recipe: what to do.
        data: in place of what the recipe names.
        only, overwrite: as for `run_recipe`.

    Returns:
        the folder of the composite.
    """
    train_members(recipe, data, only, overwrite)
    output, state = Path(recipe.training.output), processes()
    if state.is_main_process and all((output / name / REPORT).exists() for name in recipe.members):
        assemble(recipe, data)
        index_examples(output)
    state.wait_for_everyone()
    return output / COMPOSITE


def train_members(recipe: Recipe, data: TrainingData, only: Sequence[str] = (), overwrite: bool = False) -> None:
    """Train what is not trained yet, each member in its own folder."""
    state = processes()
    output = Path(recipe.training.output)
    if recipe.training.shared_encoder:
        groups = {SHARED: tuple(recipe.members)}
    else:
        groups = {name: (name,) for name in only or recipe.members}
    for folder, names in groups.items():
        fingerprint = take_fingerprint(recipe, names, data)
        folders = [output / name for name in dict.fromkeys((*names, folder))]
        # Each is looked at, and prepared where it is not finished.
        finished = [has_finished(path, fingerprint, overwrite, state) for path in folders]
        if not all(finished):
            _train_group(recipe, names, output / folder, data, state)
        state.wait_for_everyone()


def _train_group(recipe: Recipe, names: Sequence[str], folder: Path, data: TrainingData, state: PartialState) -> None:
    """Train members that share an encoder, or a single one; each is left in its own folder with its report."""
    set_seed(recipe.training.seed)
    members = {name: build_member(recipe.members[name], data) for name in names}
    share_encoder(members)
    model = compose(members)
    model.config.simplify = reads_simplified(recipe, data)
    shares = {name: unrepresentable_share(member, data.train, model.max_characters) for name, member in members.items()}
    if state.is_main_process:
        warn_of_losses(model, shares, data)
    began = time.monotonic()
    trainer = HybridNerTrainer(model, training_arguments(recipe, names, folder / CHECKPOINTS), data.train, data.dev)
    trainer.train(resume_from_checkpoint=True)
    if not state.is_main_process:
        return
    history = list(trainer.state.log_history)
    kept = find_kept(history)
    assert kept is not None, "there is dev, and a training has at least one pass"
    dev = kept.entry
    seconds = time.monotonic() - began
    common = {
        "recipe": recipe.to_dict(),
        "records": {"train": len(data.train), "dev": len(data.dev)},
        "history": history,
    }
    for name, member in members.items():
        with output_errors(folder.parent / name, "start again to go on from here"):
            member.save_pretrained(folder.parent / name)
        about = {"member": name, "unrepresentable": shares[name], "best_dev_f1": dev[f"eval_f1_{name}"]}
        # Each member's share of the time, so that the sum is what it took.
        write_report(folder.parent / name, {**about, **common, **circumstances(seconds / len(members), state)})
    if folder.name not in members:
        write_report(folder, {"best_dev_f1": dev["eval_f1"], **common, **circumstances(seconds, state)})
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    warn_of_failures({name: dev[f"eval_f1_{name}"] for name in members})


def training_arguments(recipe: Recipe, names: Sequence[str], output: Path) -> HybridNerTrainingArguments:
    """What the training section says to the trainer about these members, which share an encoder."""
    training, members = recipe.training, {name: recipe.members[name] for name in names}
    rates = {name: rate for name, section in members.items() if (rate := section.head_learning_rate)}
    return HybridNerTrainingArguments(
        output_dir=str(output),
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=training.batch_size * 2,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        encoder_learning_rate=members[names[0]].encoder_learning_rate or training.encoder_learning_rate,
        head_learning_rate=training.head_learning_rate,
        member_learning_rates=rates,
        weight_decay=training.weight_decay,
        warmup_steps=training.warmup_ratio,
        early_stopping_patience=training.early_stopping_patience or "auto",
        seed=training.seed,
        mixed_precision=training.mixed_precision,
    )
