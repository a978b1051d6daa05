"""A text after analysis: its candidates, who decided about each, and the entities as plain dicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hybridner.ensemble import Candidate, Kind, Threshold
from hybridner.hybrid.entity_dicts import entity_dict, verified_entity
from hybridner.llm import Provenance, VerifiedCandidate
from hybridner.spans import NON_ENTITY


@dataclass(frozen=True)
class AnalyzedText:
    """A text and its candidates; everything the page shows is worked out from this, without another forward pass.

    Attributes:
        text: as it was given.
        local: candidates as the ensemble decided them.
        final: the same candidates as they stand now: as `local`, or after the LLM stage.
        decoding: how entities may lie in each other.
        has_llm: whether `final` comes from the LLM stage.
        model: name of the model, see `Models`.
        strategy, uncertainty: that decided, as users give them.
        ood_score: how unlike the texts the model knows, see `TextPrediction`; None where the model cannot tell.
        shown_with: threshold, whether the model's own by label, LLM and language that the page first showed it with.
    """

    text: str
    local: tuple[Candidate, ...]
    final: tuple[VerifiedCandidate, ...]
    decoding: str
    has_llm: bool = False
    model: str = ""
    strategy: str = ""
    uncertainty: str = ""
    ood_score: float | None = None
    shown_with: tuple[object, ...] = ()

    @classmethod
    def from_candidates(
        cls,
        text: str,
        candidates: Sequence[Candidate],
        decoding: str,
        *,
        model: str = "",
        strategy: str = "",
        uncertainty: str = "",
        ood_score: float | None = None,
    ) -> AnalyzedText:
        """What the ensemble alone makes of a text."""
        final = tuple(VerifiedCandidate(c, Provenance(c.label, c.uncertainty)) for c in candidates)
        return cls(
            text, tuple(candidates), final, decoding, model=model, strategy=strategy, uncertainty=uncertainty, ood_score=ood_score
        )

    @property
    def entities(self) -> list[VerifiedCandidate]:
        """The final candidates that are entities, in text order."""
        return [item for item in self.final if item.candidate.is_entity]

    @property
    def llm_changes(self) -> list[tuple[str, str, VerifiedCandidate]]:
        """(label before, label after, what is known) of every span that the LLM's answers made another than it was."""
        changes = []
        for local, item in zip(self.local, self.final, strict=True):
            before = local.label if local.is_entity else NON_ENTITY
            after = item.candidate.label if item.candidate.is_entity else NON_ENTITY
            if before != after:
                changes.append((before, after, item))
        return changes

    def other_routed(self, threshold: Threshold) -> list[tuple[VerifiedCandidate, Kind]]:
        """What would be routed although it is no entity: outvoted proposals and near misses."""
        return [
            (item, kind)
            for local, item in zip(self.local, self.final, strict=True)
            if not item.candidate.is_entity and needs_review(item, threshold) and (kind := local.kind) is not None
        ]

    def entity_dicts(self, threshold: Threshold) -> list[dict[str, Any]]:
        """The entities as the pipeline gives them, with the provenance where there was an LLM."""
        if self.has_llm:
            return [verified_entity(self.text, item, needs_review(item, threshold)) for item in self.entities]
        return [
            entity_dict(self.text, item.candidate, item.provenance.source, needs_review(item, threshold))
            for item in self.entities
        ]


def needs_review(item: VerifiedCandidate, threshold: Threshold) -> bool:
    """Whether its uncertainty is above the threshold, or its text unlike what the model knows, and no LLM has given an answer."""
    known = item.provenance
    is_doubtful = threshold.exceeded(known.local_label, known.uncertainty) or item.candidate.is_unfamiliar
    return is_doubtful and known.llm_label is None and not item.candidate.is_forced
