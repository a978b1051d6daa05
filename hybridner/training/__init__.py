"""Recipes and the runs they describe."""

from hybridner.training.recipe import Recipe, load_recipe, recipe_from_dict
from hybridner.training.run import run_recipe, train_and_assemble

__all__ = ["Recipe", "load_recipe", "recipe_from_dict", "run_recipe", "train_and_assemble"]
