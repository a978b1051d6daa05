"""Entities as plain dicts: what the pipeline, the commands and the page give out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hybridner.ensemble import Candidate, Threshold, find_doubtful
from hybridner.gazetteer import Rules
from hybridner.hybrid.modeling_composite import TextPrediction
from hybridner.llm import VerifiedCandidate
from hybridner.spans import Span

Entity = dict[str, Any]


class EntityList(list[Entity]):
    """The entities of one text: an ordinary list that also knows how unlike known texts its text is.

    Attributes:
        ood_score: see `TextPrediction`; None where the model has not been taught what it knows.
        error: where an LLM alone finds entities, why it has not answered about this text, or not in whole; else None.
    """

    def __init__(self, entities: Iterable[Entity] = (), ood_score: float | None = None, error: str | None = None) -> None:
        super().__init__(entities)
        self.ood_score = ood_score
        self.error = error


def entity_dict(text: str, candidate: Candidate, source: str, needs_review: bool) -> Entity:
    """One entity as the pipeline gives it out; the keys are explained at `HybridNerPipeline`."""
    entity: Entity = {
        "entity_group": candidate.label,
        "word": text[candidate.start : candidate.end],
        "start": candidate.start,
        "end": candidate.end,
        "score": candidate.score,
        "uncertainty": candidate.uncertainty,
        "source": "rule" if candidate.is_forced else source,
        "votes": candidate.votes,
        "needs_review": needs_review,
    }
    known = {"error_probability": candidate.error_probability, "ood_score": candidate.ood_score}
    return {**entity, **{name: value for name, value in known.items() if value is not None}}


def local_entities(prediction: TextPrediction, threshold: Threshold, most: float | None = None) -> EntityList:
    """The entities of a text as the members alone decided; an adaptive threshold moves on.

    Args:
        prediction: of the text.
        threshold: who is doubtful.
        most: only entities with an uncertainty of at most this, in passages like those the model knows, are given out.
    """
    found = prediction.entities
    doubtful = find_doubtful(found, threshold)
    entities = (
        entity_dict(prediction.text, candidate, "local", is_doubtful or (candidate.is_unfamiliar and not candidate.is_forced))
        for candidate, is_doubtful in zip(found, doubtful, strict=True)
        if most is None or candidate.is_forced or (candidate.uncertainty <= most and not candidate.is_unfamiliar)
    )
    return EntityList(entities, prediction.ood_score)


def is_given_out(text: str, candidate: Candidate, rules: Rules | None) -> bool:
    """Whether a candidate is an entity of the result; an LLM knows nothing of the rules, which hold all the same."""
    return candidate.is_entity and (rules is None or rules.allows(text[candidate.start : candidate.end], candidate.label))


def verified_entity(text: str, item: VerifiedCandidate, needs_review: bool) -> Entity:
    """As `entity_dict`, with what the LLM had to do with it."""
    known = item.provenance
    return {
        **entity_dict(text, item.candidate, known.source, needs_review),
        "local_label": known.local_label,
        "llm_label": known.llm_label,
        "llm_score": known.llm_score,
        "member_label": known.member_label,
        "llm_features": list(known.features),
        "llm_status": known.status,
        "llm_model": known.model,
        "fusion": known.fusion,
        "llm_error": known.llm_error,
        "llm_failure": known.failure and known.failure.value,
    }


def extracted_entity(text: str, span: Span, score: float, model: str, needs_review: bool = False) -> Entity:
    """An entity that an LLM has found by itself, with the same keys.

    Args:
        text: the whole text.
        span: of the entity.
        score: how reliable the LLM is said to be.
        model: its name.
        needs_review: whether what it wrote about this text is not whole.
    """
    return {
        "entity_group": span.label,
        "word": text[span.start : span.end],
        "start": span.start,
        "end": span.end,
        "score": score,
        "uncertainty": 1.0 - score,
        "source": "llm",
        "votes": {},
        "needs_review": needs_review,
        "llm_label": span.label,
        "llm_model": model,
    }
