"""What can be given to `pipeline("hybrid-ner")`, checked and sorted by the step that it bears on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from hybridner.ensemble import COMBINERS, as_threshold
from hybridner.errors import ModelError
from hybridner.gazetteer import Rules
from hybridner.hybrid import CompositeModel, ExampleIndex
from hybridner.hybrid.configuration_hybrid import check_choice
from hybridner.hybrid.consistency import Consistency
from hybridner.hybrid.verification import LlmOptions
from hybridner.pipeline.promise import level_for
from hybridner.spans import RESOLVERS

_PREDICTION = ("strategy", "decoding", "simplify")
#: Terms that must be entities, or must not be.
_RULES = ("force", "forbid")
#: An ontology whose rules entities are held against, and whether what breaks them is put right.
_CONSISTENCY = ("consistent_with", "repair")
_LLM = tuple(field.name for field in fields(LlmOptions))
#: All that can be given for good as well as per call.
PARAMETERS = (*_PREDICTION, *_RULES, *_CONSISTENCY, *_LLM, "threshold", "min_precision")
_CHOICES = {"strategy": COMBINERS, "decoding": RESOLVERS, "simplify": (True, False), "repair": (True, False)}
_OUTPUT = ("threshold", "decoding", "rules", "consistency", "most")


def sort_parameters(parameters: Mapping[str, Any], model: CompositeModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters of `model.predict`, and those of the output, each checked; None stands for one that is not given.

    Args:
        parameters: as the pipeline is given them.
        model: whose predictions they bear on.

    Raises:
        ModelError: an unknown parameter, or a value it cannot have.
    """
    for name in parameters:
        if name not in PARAMETERS:
            raise ModelError(f"unknown parameter {name!r}; the pipeline takes batch_size, dry_run, {', '.join(PARAMETERS)}")
    given = {name: value for name, value in parameters.items() if value is not None}
    for name, choices in _CHOICES.items():
        if name in given:
            check_choice(name, given[name], choices)
    decision = {name: given[name] for name in _PREDICTION if name in given}
    # The LLM stage resolves overlaps once more, by the same rule.
    output = {name: given[name] for name in ("decoding", *_LLM) if name in given}
    if "threshold" in given:
        output["threshold"] = as_threshold(given["threshold"])
    if "llm_examples" in given:
        output["llm_examples"] = ExampleIndex.of(given["llm_examples"], model)
    if "min_precision" in given:
        output["most"] = level_for(model.config, given["min_precision"], given)
    if given.keys() & set(_RULES):
        decision["rules"] = output["rules"] = Rules.of(given.get("force"), given.get("forbid"), model.config.labels.names)
    if "consistent_with" in given:
        consistency = Consistency.of(given["consistent_with"], model.config.labels.with_outside)
        output["consistency"] = (consistency, given.get("repair", False))
    elif "repair" in given:
        raise ModelError("repair puts right what an ontology forbids; give `consistent_with` as well")
    return decision, output


def split_output(output: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the output by name, None where there is none, and all about the LLM together as `llm`."""
    llm = {name: value for name, value in output.items() if name in _LLM}
    return {**{name: output.get(name) for name in _OUTPUT}, "llm": llm}


def check_batch_size(size: object) -> None:
    """Raises ModelError for what is neither a positive whole number nor None."""
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ModelError(f"batch_size must be a whole number of at least 1, not {size!r}")
