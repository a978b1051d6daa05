"""Arguments and help that several commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hybridner.errors import RecipeError

if TYPE_CHECKING:
    from hybridner.training import Recipe

#: What the help of a command says about the file of `--llm`.
LLM_FILE = """\
An LLM for the doubtful spans is described in a YAML file:
  verifier: {model: some-model, base_url: "http://127.0.0.1:8901/v1", concurrency: 16}    # the key is taken from OPENAI_API_KEY
  settings: {fusion: bayes, accuracy: 0.8, budget: {calls: 20000, tokens: 10000000}}      # the budget of the whole run
"""


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of every command that runs a recipe; `recipe_of` reads them."""
    parser.add_argument("recipe", metavar="RECIPE", help="YAML file; see recipes/ for examples")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value of the recipe, such as training.epochs=3 (may be given several times)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what another recipe left in the output folder")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """The recipe that the arguments name, with their changes."""
    from hybridner.training import load_recipe

    return load_recipe(options.recipe, dict(_assignment(text) for text in options.set))


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set expects KEY=VALUE, got {text!r}")
    return key, value
