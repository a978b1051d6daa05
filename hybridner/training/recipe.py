"""Recipes: everything that makes a training run, in one YAML file that is checked before anything starts."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from hybridner.ensemble import COMBINERS
from hybridner.errors import RecipeError
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import RESOLVERS

#: Folders of a run that hold no single member.
COMPOSITE, SHARED = "composite", "shared-encoder"
TAKEN_NAMES = (COMPOSITE, SHARED)


@dataclass(frozen=True)
class DataSection:
    """Where the labelled sentences are.

    Attributes:
        train: file of training records, in any format `hybridner.data.read_records` knows.
        dev: file for early stopping; without it a share of train is held out.
        dev_fraction: that share, whole documents at a time.
        labels: a data set that comes with descriptions ("cluener", "cmeee", "msra", "sncm"), or a YAML file with `domain` and
            `labels` (name, title, description); without it the bare labels found in train.
        limit, dev_limit: use only so many records of train and of dev, drawn with the seed.
    """

    train: str
    dev: str | None = None
    dev_fraction: float = 0.1
    labels: str | None = None
    limit: int | None = None
    dev_limit: int | None = None


@dataclass(frozen=True)
class MemberSection:
    """One member.

    Attributes:
        type: its model_type: one of `hybridner.models.MEMBER_CLASSES`.
        encoder: Hub id or folder of a pretrained encoder; or a mapping (`model_type`, `hidden_size`, ...) for a new one with
            random weights.
        num_hidden_layers: keep only the first so many layers of a pretrained encoder.
        settings: further fields of the member's configuration, such as head_size or max_span_length.
        encoder_lr, head_lr: learning rates in place of those of the training section.
    """

    type: str
    encoder: str | dict[str, Any]
    num_hidden_layers: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    encoder_lr: float | None = None
    head_lr: float | None = None


@dataclass(frozen=True)
class TrainingSection:
    """How members are trained; lengths are in epochs, rates per step.

    Attributes:
        output: folder of the run; each member gets a folder of its own inside, the composite is `composite`.
        epochs: at most so many passes over train.
        batch_size: records per step and process.
        gradient_accumulation: steps whose gradients are added up before the weights change.
        encoder_lr, head_lr: learning rates of the pretrained encoder and of everything on top of it.
        weight_decay: of AdamW, on matrices only.
        warmup: share of all steps over which the rates rise to their full value; they then fall to 0 linearly.
        patience: stop after so many epochs without a better entity F1 on dev.
        seed: of initialisation, dropout, shuffling and the dev split.
        mixed_precision: "no", "bf16" or "fp16"; "auto" is bf16 on GPUs that have it, else no.
        shared_encoder: train all members together on one encoder, which then reads each text once for all of them.
    """

    output: str
    epochs: int = 10
    batch_size: int = 16
    gradient_accumulation: int = 1
    encoder_lr: float = 3e-5
    head_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.1
    patience: int = 3
    seed: int = 42
    mixed_precision: str = "auto"
    shared_encoder: bool = False


@dataclass(frozen=True)
class CompositeSection:
    """How the members are put together; see `hybridner.HybridNerConfig`."""

    strategy: str = "score"
    decoding: str = "flat"
    threshold: float = 0.5


@dataclass(frozen=True)
class CrossvalSection:
    """How `hybridner crossval` makes out-of-fold predictions.

    Attributes:
        folds: in how many parts train is cut; each is predicted by members that were trained on the others.
    """

    folds: int = 5


@dataclass(frozen=True)
class HubSection:
    """Where to push the composite when training is over."""

    repo_id: str
    private: bool = False


@dataclass(frozen=True)
class Recipe:
    """A whole run: data, members, training, the composite, out-of-fold predictions, and optionally the Hub."""

    data: DataSection
    members: dict[str, MemberSection]
    training: TrainingSection
    composite: CompositeSection = field(default_factory=CompositeSection)
    crossval: CrossvalSection = field(default_factory=CrossvalSection)
    hub: HubSection | None = None

    def fingerprint(self, member: str) -> str:
        """Changes whenever something changes that would make `member` another model."""
        training = {key: value for key, value in asdict(self.training).items() if key not in {"output", "shared_encoder"}}
        members = self.members if self.training.shared_encoder else {member: self.members[member]}
        parts = [asdict(self.data), *(asdict(section) for section in members.values()), training]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def load_recipe(path: str | Path, overrides: Mapping[str, str] | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        path: a YAML file. `${NAME}` in a value stands for that environment variable.
        overrides: values by dotted key, such as {"training.seed": "7"}, written as in YAML.

    Raises:
        RecipeError: the file is missing or no YAML, a key is unknown, missing or has a wrong value; the message names the key.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {str(path)!r}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{path}: expected the sections data, members and training")
    for key, value in (overrides or {}).items():
        _override(data, key, value)
    try:
        return recipe_from_dict(data)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None


def recipe_from_dict(data: Mapping[str, Any]) -> Recipe:
    """Check a recipe that is already a mapping; errors as in `load_recipe`."""
    recipe: Recipe = _build(Recipe, data, "")
    if not recipe.members:
        raise RecipeError("members: at least one member is needed")
    for name, member in recipe.members.items():
        _one_of(f"members.{name}.type", member.type, MEMBER_CLASSES)
        if name in TAKEN_NAMES:
            raise RecipeError(f"members.{name}: this name is taken by a folder of the run; choose another")
        known = _config_fields(member.type)
        for key in member.settings:
            if key not in known:
                raise RecipeError(f"members.{name}.settings.{key}: unknown{_suggest(key, known)}")
    if recipe.training.shared_encoder:
        _check_shared(recipe)
    _one_of("training.mixed_precision", recipe.training.mixed_precision, ("auto", "no", "bf16", "fp16"))
    _one_of("composite.strategy", recipe.composite.strategy, COMBINERS)
    _one_of("composite.decoding", recipe.composite.decoding, RESOLVERS)
    for key in ("epochs", "batch_size", "gradient_accumulation", "patience"):
        _within(f"training.{key}", getattr(recipe.training, key), 1, float("inf"))
    _within("crossval.folds", recipe.crossval.folds, 2, float("inf"))
    for key, limit in (("limit", recipe.data.limit), ("dev_limit", recipe.data.dev_limit)):
        if limit is not None:
            _within(f"data.{key}", limit, 1, float("inf"))
    _within("training.warmup", recipe.training.warmup, 0, 0.99)
    _within("data.dev_fraction", recipe.data.dev_fraction, 0.001, 0.9)
    _within("composite.threshold", recipe.composite.threshold, 0, 1)
    return recipe


def _check_shared(recipe: Recipe) -> None:
    """Members on one encoder must say the same about it, and all learn at the rates of the training section."""
    first = next(iter(recipe.members.values()))
    for name, member in recipe.members.items():
        for key in ("encoder", "num_hidden_layers"):
            if getattr(member, key) != getattr(first, key):
                raise RecipeError(
                    f"members.{name}.{key}: {getattr(member, key)!r} is not the first member's {getattr(first, key)!r}; with "
                    "training.shared_encoder all members name the same encoder"
                )
        for key in ("encoder_lr", "head_lr"):
            if getattr(member, key) is not None:
                raise RecipeError(f"members.{name}.{key}: with training.shared_encoder the rates are those of training")


def _config_fields(member_type: str) -> set[str]:
    """Settings of a member's own configuration that a recipe may change."""
    mine: set[str] = set()
    for config in MEMBER_CLASSES[member_type].config_class.__mro__:
        if config.__module__.startswith("hybridner."):
            mine |= set(vars(config).get("__annotations__", {}))
    return mine - {"encoder_config", "label_set"}


def _build(section: type[Any], data: Any, path: str) -> Any:
    """An instance of a section's dataclass out of a mapping, every value checked against its type."""
    if not isinstance(data, Mapping):
        raise RecipeError(f"{path or 'recipe'}: expected a mapping, got {data!r}")
    hints = get_type_hints(section)
    known = {item.name: item for item in fields(section)}
    for key in data:
        if key not in known:
            raise RecipeError(f"{_join(path, key)}: unknown key{_suggest(str(key), known)}")
    values = {}
    for name, item in known.items():
        if name in data:
            values[name] = _value(hints[name], data[name], _join(path, name))
        elif item.default is MISSING and item.default_factory is MISSING:
            raise RecipeError(f"{_join(path, name)}: missing")
    return section(**values)


def _value(kind: Any, value: Any, path: str) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        if value is None and type(None) in get_args(kind):
            return None
        choices = [choice for choice in get_args(kind) if choice is not type(None)]
        for choice in choices[:-1]:
            try:
                return _value(choice, value, path)
            except RecipeError:
                continue
        return _value(choices[-1], value, path)
    if get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            raise RecipeError(f"{path}: expected a mapping, got {value!r}")
        inner = get_args(kind)[1]
        return {str(key): item if inner is Any else _value(inner, item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(kind, type) and hasattr(kind, "__dataclass_fields__"):
        return _build(kind, value, path)
    if kind is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        # YAML reads 2e-5 as a string.
        try:
            return float(value)
        except ValueError:
            pass
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RecipeError(f"{path}: expected {_TYPE_NAMES[kind]}, got {value!r}")
    return _expand(value, path) if isinstance(value, str) else value


_TYPE_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def _expand(value: str, path: str) -> str:
    def look_up(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise RecipeError(f"{path}: the environment variable {name} is not set (the value is {value!r})")
        return os.environ[name]

    return re.sub(r"\$\{(\w+)\}", look_up, value)


def _override(data: dict[str, Any], key: str, value: str) -> None:
    *path, last = key.split(".")
    target = data
    for part in path:
        target = target.setdefault(part, {})
        if not isinstance(target, dict):
            raise RecipeError(f"{key}: {part} is not a section")
    target[last] = yaml.safe_load(value)


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _suggest(key: str, known: Any) -> str:
    close = difflib.get_close_matches(key, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"


def _one_of(path: str, value: str, choices: Any) -> None:
    if value not in choices:
        raise RecipeError(f"{path}: {value!r} is none of {', '.join(choices)}")


def _within(path: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise RecipeError(f"{path}: {value} is not between {low} and {high}")
