"""Entities as plain dicts: what the pipeline, the commands and the page give out."""

from __future__ import annotations

from typing import Any

from hybridner.ensemble import Candidate, Threshold, find_doubtful
from hybridner.hybrid.modeling_composite import TextPrediction
from hybridner.llm import VerifiedCandidate

Entity = dict[str, Any]


def entity_dict(text: str, candidate: Candidate, source: str, needs_review: bool) -> Entity:
    """One entity as the pipeline gives it out; the keys are explained at `HybridNerPipeline`."""
    return {
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


def local_entities(prediction: TextPrediction, threshold: Threshold) -> list[Entity]:
    """The entities of a text as the members alone decided; an adaptive threshold moves on."""
    found = prediction.entities
    doubtful = find_doubtful(found, threshold)
    return [
        entity_dict(prediction.text, candidate, "local", needs_review)
        for candidate, needs_review in zip(found, doubtful, strict=True)
    ]


def verified_entity(text: str, item: VerifiedCandidate, needs_review: bool) -> Entity:
    """As `entity_dict`, with what the LLM had to do with it."""
    known = item.provenance
    return {
        **entity_dict(text, item.candidate, known.source, needs_review),
        "local_label": known.local_label,
        "llm_label": known.llm_label,
        "llm_score": known.llm_score,
        "llm_status": known.status,
        "llm_model": known.model,
        "fusion": known.fusion,
        "llm_error": known.llm_error,
        "llm_failure": known.failure and known.failure.value,
    }
