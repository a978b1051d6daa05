"""What was read of a text: candidates, who decided about each, and the entities as plain dicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hybridner.ensemble import Candidate, Kind, Threshold
from hybridner.hybrid.entity_dicts import entity_dict, verified_entity
from hybridner.llm import Provenance, VerifiedCandidate


@dataclass(frozen=True)
class Reading:
    """A text and its candidates; everything the page shows is worked out from this, without another forward pass.

    Attributes:
        text: as it was given.
        local: candidates as the ensemble decided them.
        items: the same candidates as they stand now: as `local`, or after the LLM stage.
        decoding: how entities may lie in each other.
        asked: whether the items come from the LLM stage.
    """

    text: str
    local: tuple[Candidate, ...]
    items: tuple[VerifiedCandidate, ...]
    decoding: str
    asked: bool = False

    @property
    def entities(self) -> list[VerifiedCandidate]:
        """The items that are entities, in text order."""
        return [item for item in self.items if item.candidate.is_entity]


def local_reading(text: str, candidates: Sequence[Candidate], decoding: str) -> Reading:
    """A reading that no LLM has seen."""
    items = tuple(VerifiedCandidate(c, Provenance(c.label, c.uncertainty)) for c in candidates)
    return Reading(text, tuple(candidates), items, decoding)


def is_doubtful(item: VerifiedCandidate, threshold: Threshold) -> bool:
    """Whether the item needs review at this threshold: no LLM has given an answer."""
    known = item.provenance
    return threshold.exceeded(known.local_label, known.uncertainty) and known.llm_label is None


def other_routed(reading: Reading, threshold: Threshold) -> list[tuple[VerifiedCandidate, Kind]]:
    """What would be routed although it is no entity: outvoted proposals and near misses."""
    return [
        (item, kind)
        for local, item in zip(reading.local, reading.items, strict=True)
        if not item.candidate.is_entity and is_doubtful(item, threshold) and (kind := local.kind) is not None
    ]


def entity_dicts(reading: Reading, threshold: Threshold) -> list[dict[str, Any]]:
    """The entities as the pipeline gives them, with the provenance where an LLM was asked."""
    return [_entity(reading, item, threshold) for item in reading.entities]


def _entity(reading: Reading, item: VerifiedCandidate, threshold: Threshold) -> dict[str, Any]:
    needs_review = is_doubtful(item, threshold)
    if reading.asked:
        return verified_entity(reading.text, item, needs_review)
    return entity_dict(reading.text, item.candidate, item.provenance.source, needs_review)
