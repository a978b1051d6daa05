"""Recipes: everything that makes a training run, in one YAML file that is checked before anything starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import Field

from hybridner.ensemble import COMBINERS
from hybridner.errors import HybridNerError, RecipeError
from hybridner.files import check_is_file
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import RESOLVERS
from hybridner.validation import Integer, Number, Settings, did_you_mean, validate

#: Folders of a run that hold no single member.
COMPOSITE, SHARED = "composite", "shared-encoder"
TAKEN_NAMES = (COMPOSITE, SHARED)

Count = Annotated[Integer, Field(ge=1)]
Rate = Annotated[Number, Field(gt=0)]


class Section(Settings):
    """Base of a recipe's sections."""

    error_class: ClassVar[type[HybridNerError]] = RecipeError


class DataSection(Section):
    """Where the labelled sentences are.

    Attributes:
        train: file of training records, in any format `hybridner.data.read_records` knows.
        dev: file for early stopping and the choice of the weights; without it a share of train is held out.
        dev_fraction: that share, whole documents at a time.
        labels: a data set that comes with descriptions ("cluener", "cmeee", "msra", "sncm"), or a YAML file with `domain` and
            `labels` (name, title, description); without it the bare labels found in train.
        max_train_records, max_dev_records: use only so many records of train and of dev, drawn with the seed.
    """

    train: str
    dev: str | None = None
    dev_fraction: Annotated[Number, Field(ge=0.001, le=0.9)] = 0.1
    labels: str | None = None
    max_train_records: Count | None = None
    max_dev_records: Count | None = None


class MemberSection(Section):
    """One member.

    Attributes:
        type: its model_type: one of `hybridner.models.MEMBER_CLASSES`.
        encoder: Hub id or folder of a pretrained encoder; or a mapping (`model_type`, `hidden_size`, ...) for a new one with
            random weights.
        num_hidden_layers: keep only the first so many layers of a pretrained encoder.
        settings: further fields of the member's configuration, such as rnn_hidden_size or max_span_length.
        encoder_learning_rate, head_learning_rate: in place of those of the training section.
    """

    type: str
    encoder: str | dict[str, Any]
    num_hidden_layers: Count | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    encoder_learning_rate: Rate | None = None
    head_learning_rate: Rate | None = None


class TrainingSection(Section):
    """How members are trained.

    Attributes:
        output: folder of the run; each member gets a folder of its own inside, the composite is `composite`.
        epochs: at most so many passes over train; by default by the number of records, see `training.defaults`.
        batch_size: records per step and process.
        gradient_accumulation_steps: steps whose gradients are averaged before the weights change.
        encoder_learning_rate, head_learning_rate: of the pretrained encoder and of everything on top of it; by default by the
            encoder's size, see `training.defaults`.
        weight_decay: of AdamW, on matrices only.
        warmup_ratio: share of all steps over which the rates rise to their full value; they then fall to 0 linearly.
        early_stopping_patience: stop after so many epochs in a row without a better mean entity F1 on dev, noise allowed for
            (see `training.stopping`); by default 3, or 6 of the 20 evaluations where few records are passed over many times.
        seed: of initialisation, dropout, shuffling and the dev split.
        mixed_precision: "no", "bf16" or "fp16"; "auto" is bf16 on GPUs that have it, else no.
        shared_encoder: train all members together on one encoder, which then reads each text once for all of them.
    """

    output: str
    epochs: Count | None = None
    batch_size: Count = 16
    gradient_accumulation_steps: Count = 1
    encoder_learning_rate: Rate | None = None
    head_learning_rate: Rate | None = None
    weight_decay: Annotated[Number, Field(ge=0)] = 0.01
    warmup_ratio: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    early_stopping_patience: Count | None = None
    seed: Annotated[Integer, Field(ge=0)] = 42
    mixed_precision: Literal["auto", "no", "bf16", "fp16"] = "auto"
    shared_encoder: bool = False


class CompositeSection(Section):
    """How the members are put together; see `hybridner.HybridNerConfig`.

    Attributes:
        strategy: how votes are combined; by default the one of the highest F1 on dev among those that need no calibration.
        decoding: "flat" or "nested".
        threshold: τ; an entity with uncertainty u > τ is doubtful.
        simplify: whether traditional characters are read as simplified ones; by default when train is in simplified ones.
    """

    strategy: str | None = None
    decoding: str = "flat"
    threshold: Annotated[Number, Field(ge=0, le=1)] = 0.5
    simplify: bool | None = None


class CrossvalSection(Section):
    """How `hybridner crossval` makes out-of-fold predictions.

    Attributes:
        folds: in how many parts train is cut; each is predicted by members that were trained on the others.
    """

    folds: Annotated[Integer, Field(ge=2)] = 5


class HubSection(Section):
    """Where to push the composite when training is over."""

    repo_id: str
    private: bool = False


class Recipe(Section):
    """A whole run.

    Attributes:
        data: where labelled records are.
        members: settings of each member by its name.
        training: epochs, rates, seed, output folder.
        composite: how the members are put together.
        crossval: folds of out-of-fold predictions.
        hub: where the composite is published; None for nowhere.

    Examples:
        >>> recipe = recipe_from_dict({
        ...     "data": {"train": "train.jsonl", "dev": "dev.jsonl"},
        ...     "members": {"tagger": {"type": "bert-bilstm-crf", "encoder": "bert-base-chinese"}},
        ...     "training": {"output": "runs", "epochs": 1},
        ... })
        >>> recipe.changed("training", seed=7).training.seed
        7
    """

    data: DataSection
    members: dict[str, MemberSection]
    training: TrainingSection
    composite: CompositeSection = CompositeSection()
    crossval: CrossvalSection = CrossvalSection()
    hub: HubSection | None = None

    def changed(self, section: str, **values: Any) -> Recipe:
        """The same recipe with other values in one section."""
        return self.model_copy(update={section: getattr(self, section).model_copy(update=values)})

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; `recipe_from_dict` makes it a recipe again."""
        return self.model_dump(mode="json")


def load_recipe(path: str | Path, overrides: Mapping[str, str] | None = None) -> Recipe:
    """Read and check a recipe.

    Args:
        path: a YAML file. `${NAME}` in a value stands for that environment variable.
        overrides: values by dotted key, such as {"training.seed": "7"}, written as in YAML.

    Raises:
        RecipeError: the file is missing or no YAML, a key is unknown, missing or has a wrong value; the message names the key.

    Examples:
        >>> recipe = '''
        ... data: {train: train.jsonl, dev: dev.jsonl}
        ... members:
        ...   tagger: {type: bert-bilstm-crf, encoder: bert-base-chinese}
        ... training: {output: runs, epochs: 1}
        ... '''
        >>> _ = Path("recipe.yaml").write_text(recipe, encoding="utf-8")
        >>> load_recipe("recipe.yaml", {"training.seed": "7"}).training.seed
        7
    """
    check_is_file(path)
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
    return recipe_from_dict(data, where=str(path))


def recipe_from_dict(data: Mapping[str, Any], where: str = "") -> Recipe:
    """Check a recipe that is already a mapping.

    Args:
        data: the recipe.
        where: stands before each error.

    Raises:
        RecipeError: as in `load_recipe`.

    Examples:
        >>> recipe = recipe_from_dict({
        ...     "data": {"train": "train.jsonl", "dev": "dev.jsonl"},
        ...     "members": {"tagger": {"type": "bert-bilstm-crf", "encoder": "bert-base-chinese"}},
        ...     "training": {"output": "runs", "epochs": 1},
        ... })
        >>> recipe.training.epochs, list(recipe.members)
        (1, ['tagger'])
    """
    try:
        recipe = validate(Recipe, _expand(data, ""), RecipeError)
        _check_members(recipe)
        _check_choice("composite.decoding", recipe.composite.decoding, RESOLVERS)
        if recipe.composite.strategy is not None:
            _check_choice("composite.strategy", recipe.composite.strategy, COMBINERS)
    except RecipeError as error:
        raise RecipeError("\n".join(f"{where}: {line}" if where else line for line in str(error).splitlines())) from None
    return recipe


def _check_members(recipe: Recipe) -> None:
    if not recipe.members:
        raise RecipeError("members: at least one member is needed")
    for name, member in recipe.members.items():
        if name in TAKEN_NAMES:
            raise RecipeError(f"members.{name}: this name is taken by a folder of the run; choose another")
        _check_choice(f"members.{name}.type", member.type, MEMBER_CLASSES)
        known = _config_fields(member.type)
        for key in member.settings:
            if key not in known:
                raise RecipeError(f"members.{name}.settings.{key}: unknown key{did_you_mean(key, known)}")
    if recipe.training.shared_encoder:
        _check_shared(recipe)


def _check_shared(recipe: Recipe) -> None:
    """Members on one encoder must say the same about it."""
    first = next(iter(recipe.members.values()))
    for name, member in recipe.members.items():
        for key in ("encoder", "num_hidden_layers"):
            if getattr(member, key) != getattr(first, key):
                raise RecipeError(
                    f"members.{name}.{key}: {getattr(member, key)!r} is not the first member's {getattr(first, key)!r}; with "
                    "training.shared_encoder all members name the same encoder"
                )
        if member.encoder_learning_rate is not None:
            raise RecipeError(
                f"members.{name}.encoder_learning_rate: with training.shared_encoder there is one encoder, and its rate is that "
                "of training"
            )


def _config_fields(member_type: str) -> set[str]:
    """Settings of a member's own configuration that a recipe may change."""
    mine: set[str] = set()
    for config in MEMBER_CLASSES[member_type].config_class.__mro__:
        if config.__module__.startswith("hybridner."):
            mine |= set(vars(config).get("__annotations__", {}))
    return mine - {"encoder_config", "label_set"}


def _check_choice(path: str, value: str, choices: Any) -> None:
    if value not in choices:
        raise RecipeError(f"{path}: {value!r} is none of {', '.join(choices)}")


def _expand(value: Any, path: str) -> Any:
    """The value with environment variables in place of `${NAME}` in its texts."""
    if isinstance(value, Mapping):
        return {key: _expand(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if not isinstance(value, str):
        return value

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
