"""A candidate span after the decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from hybridner.spans import NON_ENTITY

Kind = Literal["entity", "lost", "near_miss"]
"""Kinds of candidates.

"entity": chosen by the ensemble; "lost": proposed by a member and outvoted to O; "near_miss": proposed by
none, nearly by SpanNER.
"""
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The three kinds of candidates."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that some member proposed or that SpanNER nearly did, and what the ensemble makes of it.

    Attributes:
        start, end: characters [start, end) of the text.
        label: the combined label; "O" when the votes went against an entity.
        is_entity: whether it is one of the text's entities (a label other than O, and part of the best set under the decoding).
        distribution: P(label | span) over the K + 1 labels, O first: the log-linear pool where it is fitted, else the members'
            own probabilities averaged; the largest one is given to the combined label.
        weight: ln P(label) - ln P(O) under the strategy, in nats: what the best set of entities is chosen by; 0 for O.
        uncertainty: u in [0, 1]; by default 1 - max P(y | span) of SpanNER's softmax (equations 8 and 9), see `UNCERTAINTIES`.
        votes: label that each member gave the span ("O" for none); a member that cannot score it is missing.
        is_forced: whether a rule of the caller made it an entity, so that nobody's doubts count.
        error_probability: of the label being wrong (for O: of an entity being there), whatever `uncertainty` is; None before
            `hybridner calibrate`.
        ood_score: the share of known passages that are more typical than the one around the span, in [0, 1); None where the
            model has not learned what it knows.
        is_unfamiliar: whether the passage, or the whole text, is beyond the model's `ood_threshold`.

    Examples:
        >>> candidate = model.predict([text])[0].candidates[0]
        >>> candidate.start, candidate.end, candidate.label, candidate.is_entity
        (0, 3, 'Adversary States', True)
        >>> candidate.votes["spanner"], len(candidate.distribution)
        ('Adversary States', 14)
    """

    start: int
    end: int
    label: str
    is_entity: bool
    distribution: tuple[float, ...]
    weight: float
    uncertainty: float
    votes: dict[str, str]
    is_forced: bool = False
    error_probability: float | None = None
    ood_score: float | None = None
    is_unfamiliar: bool = False

    @property
    def score(self) -> float:
        """P(label | span) of the combined label."""
        return max(self.distribution)

    @property
    def kind(self) -> Kind | None:
        """Why the candidate may be in doubt, see `Kind`; None for one that lost its place to an overlapping entity, and for one
        that is forced."""
        if self.is_forced:
            return None
        if self.is_entity:
            return "entity"
        if self.label != NON_ENTITY:
            return None
        return "lost" if any(vote != NON_ENTITY for vote in self.votes.values()) else "near_miss"


def select_entities(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Only those that are entities.

    Args:
        candidates: of one text, as `decide` returns them.

    Examples:
        >>> [entity.label for entity in select_entities(model.predict([text])[0].candidates)]
        ['Adversary States', 'Offensive Systems']
    """
    return [candidate for candidate in candidates if candidate.is_entity]
