"""A result as the page's script is given it: plain JSON from which text, marks and table are drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from hybridner.display import escape
from hybridner.ensemble import Kind, Threshold
from hybridner.llm import VerifiedCandidate
from hybridner.space.analyzed_text import AnalyzedText, needs_review
from hybridner.space.fragments import decimals
from hybridner.space.label_display import LabelDisplay
from hybridner.space.llm_view import failure_text
from hybridner.spans import NON_ENTITY

#: How sure: u of at most half the threshold, at most the threshold, and above it.
Level = Literal["sure", "fair", "check"]


def level(item: VerifiedCandidate, threshold: Threshold) -> Level:
    """How sure an entity is, in three steps."""
    if needs_review(item, threshold):
        return "check"
    known = item.provenance
    return "fair" if threshold.exceeded(known.local_label, min(2 * known.uncertainty, 1.0)) else "sure"


def as_html(name: str, data: Any) -> str:
    """An element without content that carries data for the page's script."""
    return f'<div class="hn-data" data-{name}="{escape(json.dumps(data, ensure_ascii=False))}"></div>'


class ResultData:
    """Results in the language of a label display."""

    def __init__(self, labels: LabelDisplay) -> None:
        self.labels = labels
        self.texts = labels.texts

    def types(self) -> list[dict[str, str]]:
        """The entity types in their order: name, what it is called, color, and what belongs to it."""
        return [
            {
                "name": label.name,
                "title": self.labels.name(label.name),
                "style": self.labels.style(label.name),
                "tip": label.description,
            }
            for label in self.labels.labels.labels
        ]

    def result(self, analyzed: AnalyzedText, threshold: Threshold) -> dict[str, Any]:
        """One text with its findings, and the entities as the pipeline gives them."""
        dicts = analyzed.entity_dicts(threshold)
        found = self.found(analyzed, threshold)
        for item, entity in zip(found, dicts, strict=False):
            item["entity"] = entity
        settings = {name: getattr(analyzed, name) for name in ("strategy", "decoding", "uncertainty")}
        return {"model": analyzed.model, "text": analyzed.text, "types": self.types(), "found": found, "settings": settings}

    def found(self, analyzed: AnalyzedText, threshold: Threshold) -> list[dict[str, Any]]:
        """The entities in text order, then what is none but would go to the LLM."""
        entities = [self._entity(item, threshold) for item in analyzed.entities]
        return entities + [self._hint(item, threshold, kind) for item, kind in analyzed.other_routed(threshold)]

    def decided_by(self, item: VerifiedCandidate) -> str:
        """Who decided, in words."""
        known = item.provenance
        if known.source == "llm":
            return self.texts("result.by_llm", model=known.model or "LLM")
        if known.llm_label is not None and known.llm_label != item.candidate.label:
            return self.texts("result.llm_overruled", label=self.labels.name(known.llm_label))
        return self.texts("result.by_ensemble")

    def _entity(self, item: VerifiedCandidate, threshold: Threshold) -> dict[str, Any]:
        candidate, known = item.candidate, item.provenance
        votes = [f"{member}: {self.labels.name(vote)}" for member, vote in candidate.votes.items()]
        return {
            "start": candidate.start,
            "end": candidate.end,
            "label": candidate.label,
            "level": level(item, threshold),
            "tip": self._tip(item, threshold),
            "byLlm": known.source == "llm",
            "llmLabel": known.llm_label,
            "uncertainty": decimals(known.uncertainty, 2),
            "score": decimals(candidate.score, 2),
            "agree": f"{sum(vote == candidate.label for vote in candidate.votes.values())}/{len(candidate.votes)}",
            "votes": votes + self._no_votes(item),
            "decidedBy": self.decided_by(item),
        }

    def _hint(self, item: VerifiedCandidate, threshold: Threshold, kind: Kind) -> dict[str, Any]:
        candidate = item.candidate
        tip = self._tip(item, threshold, kind)
        return {"start": candidate.start, "end": candidate.end, "label": None, "level": "check", "tip": tip}

    def _tip(self, item: VerifiedCandidate, threshold: Threshold, kind: Kind | None = None) -> str:
        texts, candidate, known = self.texts, item.candidate, item.provenance
        lines = [texts("tooltip.candidate", kind=texts(f"kinds.{kind}"))] if kind else []
        if candidate.label != NON_ENTITY:
            lines.append(texts("tooltip.type", label=self.labels.full_name(candidate.label)))
        uncertainty = decimals(known.uncertainty, 3)
        lines.append(texts("tooltip.score", score=decimals(candidate.score, 3), uncertainty=uncertainty))
        lines.append(texts("tooltip.votes"))
        lines += [f"  {member} → {self.labels.name(vote)}" for member, vote in candidate.votes.items()]
        lines += self._no_votes(item)
        lines.append(texts("tooltip.decided_by", source=self.decided_by(item)))
        if known.failure is not None:
            lines.append(texts("tooltip.llm_failed", reason=failure_text(known.failure, known.llm_error, texts)))
        if needs_review(item, threshold):
            lines.append(texts("tooltip.doubtful"))
        return "\n".join(lines)

    def _no_votes(self, item: VerifiedCandidate) -> list[str]:
        """How an entity came by a type that no member voted for."""
        candidate = item.candidate
        if candidate.label == NON_ENTITY or candidate.label in candidate.votes.values():
            return []
        return [self.texts("result.no_votes_llm" if item.provenance.source == "llm" else "result.no_votes_local")]


def doubt(analyzed: AnalyzedText) -> float:
    """About how many of the model's decisions in a text are wrong; `hybridner suggest` goes by the same."""
    return sum(candidate.uncertainty for candidate in analyzed.local)


def count_levels(analyzed: Sequence[AnalyzedText], threshold: Threshold) -> tuple[int, int]:
    """(entities, those of them to be checked) of several texts."""
    items = [item for one in analyzed for item in one.entities]
    return len(items), sum(needs_review(item, threshold) for item in items)
