"""The composite of a run's members, with the strategy that is best on dev."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from hybridner.ensemble import available_strategies
from hybridner.evaluation import evaluate_systems
from hybridner.hybrid import HybridNerModel
from hybridner.models import MEMBER_CLASSES
from hybridner.spans import Record
from hybridner.text.simplified import to_simplified
from hybridner.training.data import TrainingData
from hybridner.training.folders import REPORT, output_errors
from hybridner.training.recipe import COMPOSITE, Recipe
from hybridner.training.reports import read_report, write_report

#: Texts with more traditional characters than this share are not taken for simplified ones.
_FEW = 0.01


def load_members(recipe: Recipe, data: TrainingData) -> HybridNerModel:
    """The finished members of a run in one composite."""
    output = Path(recipe.training.output)
    members = {name: MEMBER_CLASSES[section.type].from_pretrained(output / name) for name, section in recipe.members.items()}
    settings = recipe.composite.model_dump(exclude_none=True)
    return HybridNerModel.assemble(members, **{**settings, "simplify": reads_simplified(recipe, data)})


def reads_simplified(recipe: Recipe, data: TrainingData) -> bool:
    """Whether traditional characters are read as simplified ones, in training and ever after: as the recipe says, else where
    train
    is in simplified ones. Members that learn traditional characters are to see them."""
    wanted = recipe.composite.simplify
    return is_simplified(data.train) if wanted is None else wanted


def is_simplified(records: Sequence[Record]) -> bool:
    """Whether texts are written with simplified characters."""
    texts = [record.text for record in records]
    changed = sum(before != after for text in texts for before, after in zip(text, to_simplified(text), strict=True))
    return changed <= _FEW * sum(map(len, texts))


def assemble(recipe: Recipe, data: TrainingData) -> None:
    """Put the members of a run together and measure what they find on dev, by themselves and by every strategy.

    The strategy is the recipe's, else the best on dev. A composite that was made of the same members before stays as it is, with
    all that was calibrated since.
    """
    output = Path(recipe.training.output)
    composite = output / COMPOSITE
    reports = {name: read_report(output / name) for name in recipe.members}
    made_of = [recipe.composite.model_dump(), {name: report["finished"] for name, report in reports.items()}]
    fingerprint = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]
    if (composite / REPORT).exists() and read_report(composite).get("fingerprint") == fingerprint:
        return
    model = load_members(recipe, data)
    strategies = available_strategies(model.combiner_weights)
    scores = evaluate_systems(model, data.dev, strategies)
    by_strategy = {name: scores[f"strategy:{name}"].micro.f1 for name in strategies}
    if recipe.composite.strategy is None:
        model.config.strategy = max(by_strategy, key=lambda name: by_strategy[name])
    with output_errors(composite, "start again to go on from here"):
        model.save_pretrained(composite)
    write_report(
        composite,
        {
            "fingerprint": fingerprint,
            "dev": {
                "records": len(data.dev),
                "members": {name: scores[name].micro.f1 for name in recipe.members},
                "strategies": by_strategy,
                "strategy": model.config.strategy,
                "chosen_on_dev": recipe.composite.strategy is None,
            },
            "members": reports,
        },
    )
