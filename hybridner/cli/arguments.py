"""Arguments and help that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hybridner.bundled import BUNDLED
from hybridner.errors import DataError, RecipeError

if TYPE_CHECKING:
    from hybridner.training import Recipe

#: What the help of a command says about the file of `--llm`.
LLM_FILE = """\
An LLM for the doubtful spans is described in a YAML file:
  verifier: {model: some-model, base_url: "http://127.0.0.1:8901/v1", concurrency: 16}    # the key is taken from OPENAI_API_KEY
  settings: {template: zh, budget: {calls: 20000, tokens: 10000000}}                      # the budget of the whole run
  examples: examples.parquet                                                              # of `hybridner examples`, if you like
"""
LABELS_HELP = "no model: an LLM (--llm) finds what this YAML file of labels, or the label set of a known data set, defines"


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


def require_llm(options: argparse.Namespace, names: Iterable[str]) -> None:
    """Raise a DataError where one of these options is given without --llm."""
    for name in names:
        if getattr(options, name) and not options.llm:
            raise DataError("is of use only with an LLM; give --llm as well", _written(name))


def refuse_model_options(options: argparse.Namespace, names: Iterable[str]) -> None:
    """Raise a DataError where one of these options, which concern a model, is given together with --labels."""
    for name in names:
        if getattr(options, name) is not None:
            raise DataError("concerns a model, and with --labels there is none", _written(name))


def refuse_model(source: str) -> None:
    """Raise a DataError where what stands before the texts is a model after all."""
    if source == BUNDLED or Path(source).is_dir():
        raise DataError("give either a model or --labels: with labels an LLM finds the entities, and no model is used", source)


def _written(name: str) -> str:
    return "--" + name.replace("_", "-")


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set expects KEY=VALUE, got {text!r}")
    return key, value
