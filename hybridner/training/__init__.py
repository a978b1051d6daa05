"""Training members: from Python with `HybridNerTrainer`, or by recipe."""

from hybridner.training.arguments import HybridNerTrainingArguments
from hybridner.training.data import TrainingData
from hybridner.training.recipe import Recipe, load_recipe, recipe_from_dict
from hybridner.training.run import run_recipe, train_and_assemble
from hybridner.training.trainer import HybridNerTrainer

__all__ = [
    "HybridNerTrainer",
    "HybridNerTrainingArguments",
    "Recipe",
    "TrainingData",
    "load_recipe",
    "recipe_from_dict",
    "run_recipe",
    "train_and_assemble",
]
