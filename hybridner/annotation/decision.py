"""What decides which entities a job gives out, beside the model: checked, and described so that only the same job goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from hybridner.annotation.llm_job import Llm, describe_llm, digest_of_file
from hybridner.ensemble import FixedThreshold
from hybridner.errors import ModelError
from hybridner.gazetteer import Rules
from hybridner.gazetteer.rules import RuleTerms
from hybridner.hybrid.consistency import SNCM_OPEN
from hybridner.pipeline import HybridNerPipeline
from hybridner.pipeline.definitions import DefinitionsPipeline

_DECISION = ("strategy", "decoding", "threshold", "min_precision", "force", "forbid")
#: Settings that a pipeline may hold and that are described by their value.
_PLAIN = ("strategy", "decoding", "simplify", "min_precision", "repair")


@dataclass(frozen=True)
class AnnotationConfig:
    """How texts are read.

    Attributes:
        batch_size: windows per forward pass.
        strategy, decoding, threshold, min_precision, force, forbid: those of the pipeline; by default as the pipeline has them.
        llm: who is asked about doubtful spans, as the pipeline takes it; nobody by default.
        llm_settings: fields of `hybridner.llm.LlmSettings`; the `budget` is that of the whole job.
        llm_examples: file of `hybridner examples`, whose labelled spans the LLM is shown.

    Examples:
        >>> AnnotationConfig(batch_size=64, decoding="nested", threshold=0.3).chosen
        {'decoding': 'nested', 'threshold': 0.3}
    """

    batch_size: int = 32
    strategy: str | None = None
    decoding: str | None = None
    threshold: float | FixedThreshold | None = None
    min_precision: float | None = None
    force: RuleTerms | None = None
    forbid: RuleTerms | None = None
    llm: Llm | None = None
    llm_settings: Mapping[str, Any] | None = None
    llm_examples: str | None = None

    @property
    def chosen(self) -> dict[str, Any]:
        """What bears on the decision about an entity and is not left to the pipeline."""
        return {name: value for name in _DECISION if (value := getattr(self, name)) is not None}


def parameters_of_calls(pipe: HybridNerPipeline, how: AnnotationConfig) -> dict[str, Any]:
    """The parameters of every call of the pipeline, but for the LLM; those of a model, where there is one."""
    return {} if isinstance(pipe, DefinitionsPipeline) else {"batch_size": how.batch_size, **how.chosen}


def gives_contradictions(pipe: HybridNerPipeline) -> bool:
    """Whether the entities tell what they break of an ontology."""
    return "consistent_with" in pipe.settings


def describe_decision(pipe: HybridNerPipeline, how: AnnotationConfig) -> dict[str, Any]:
    """The settings in force, those of the job before those of the pipeline, and the LLM, as JSON types; None is the model's own.

    Raises:
        DataError: a file that cannot be read.
        ModelError: a setting with which the output would depend on the order of the texts, or an LLM that the job would not know
            of; or settings of a model where there is none.
    """
    if asking := [name for name in pipe.settings if name.startswith("llm")]:
        raise ModelError(f"{', '.join(asking)}: give the LLM to the job and not to its pipeline, so that it is held to a budget")
    llm = None if how.llm is None else describe_llm(how.llm, how.llm_settings or {}, how.llm_examples)
    if isinstance(pipe, DefinitionsPipeline):
        if how.chosen:
            raise ModelError(f"{', '.join(how.chosen)}: for models only; with labels an LLM finds the entities")
        return {"labels": pipe.labels.to_dict(), "llm": llm}
    settings = {**pipe.settings, **how.chosen}
    if llm is not None and "min_precision" in settings:
        raise ModelError("min_precision promises something about the members' own entities; it does not go with an LLM")
    rules = Rules.of(settings.get("force"), settings.get("forbid"), pipe.model.config.labels.names)
    return {
        **{name: settings.get(name) for name in _PLAIN},
        "threshold": _described_threshold(settings.get("threshold")),
        "rules": None if rules is None else _described_rules(rules),
        "consistent_with": _described_ontology(settings.get("consistent_with")),
        "llm": llm,
    }


def _described_threshold(threshold: Any) -> Any:
    if not isinstance(threshold, (int, float, FixedThreshold, NoneType)):
        raise ModelError("a job is done in any order and on any number of processes, so its threshold must be a fixed one")
    return threshold.to_dict() if isinstance(threshold, FixedThreshold) else threshold


def _described_rules(rules: Rules) -> dict[str, Any]:
    """How many terms there are, and a digest of them: there may be very many."""
    terms = {"force": dict(rules.force), "forbid": {term: sorted(labels) for term, labels in rules.forbid.items()}}
    content = json.dumps(terms, sort_keys=True, ensure_ascii=False).encode()
    return {"terms": len(rules.force) + len(rules.forbid), "sha256": hashlib.sha256(content).hexdigest()[:16]}


def _described_ontology(source: Any) -> str | None:
    if source is None:
        return None
    if source == SNCM_OPEN:
        return SNCM_OPEN
    if not isinstance(source, (str, Path)):
        raise ModelError("consistent_with: name the ontology's file, so that the job can be recognised when it goes on")
    return digest_of_file(source)
