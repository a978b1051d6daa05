"""Entities against the rules of an ontology: contradictions are reported and, if wanted, put right by the next probable label.

Two kinds: one surface of two disjoint types in a document, and, where relations between entities are known, a type that the
relation's domain or range does not allow. That one span has two types cannot happen here, for a span gets one label; in annotated
data `hybridner data check` finds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, product
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from hybridner.data.sncm.ontology import ONTOLOGY, Ontology, RelationType, load_ontology
from hybridner.ensemble import Candidate
from hybridner.errors import ModelError
from hybridner.text.folding import fold

#: The name of the ontology that comes with the package.
SNCM_OPEN = "sncm-open"
#: A label that has no chance at all keeps this much, so that its logarithm is finite.
_MIN = 1e-6


class Mention(NamedTuple):
    """An entity of a document: number of the text, start, end."""

    text: int
    start: int
    end: int


@dataclass(frozen=True)
class KnownRelation:
    """A relation between two mentions, from whoever knows it: an annotator, a relation extractor, a database."""

    head: Mention
    tail: Mention
    type: str


@dataclass(frozen=True)
class Contradiction:
    """Two entities that cannot both have the types they have.

    Attributes:
        kind: "surface" or "relation".
        mentions: the two.
        message: what is wrong, in words.
    """

    kind: Literal["surface", "relation"]
    mentions: tuple[Mention, Mention]
    message: str


@dataclass(frozen=True)
class Consistency:
    """The rules of an ontology over the labels of a model. Labels that the ontology does not have are under no rule.

    Attributes:
        ontology: the rules.
        labels: the K + 1 names, O first.
    """

    ontology: Ontology
    labels: tuple[str, ...]

    @classmethod
    def of(cls, source: Ontology | str | os.PathLike[str], labels: Sequence[str]) -> Consistency:
        """The rules of an ontology.

        Args:
            source: "sncm-open", an OWL file (see `load_ontology`), or an ontology.
            labels: the K + 1 names, O first.

        Raises:
            DataError: a file that cannot be read.
            ModelError: no label of the model is a type of the ontology.
        """
        if not isinstance(source, Ontology):
            source = load_ontology(ONTOLOGY if source == SNCM_OPEN else Path(source))
        names = {type_.name for type_ in source.types}
        if not names & set(labels):
            raise ModelError(
                f"none of the labels {', '.join(labels[1:])} is a type of the ontology, which has {', '.join(sorted(names))}"
            )
        return cls(source, tuple(labels))

    def find(
        self, texts: Sequence[str], candidates: Sequence[Sequence[Candidate]], relations: Sequence[KnownRelation] = ()
    ) -> list[Contradiction]:
        """The contradictions among the entities of a document.

        Args:
            texts: of the document, such as its sentences.
            candidates: of each text.
            relations: that are known to hold between mentions.
        """
        entities = _entities(candidates)
        found = []
        for group in _by_surface(texts, entities):
            for one, other in combinations(group, 2):
                first, second = entities[one].label, entities[other].label
                if self._are_disjoint(first, second):
                    word = texts[one.text][one.start : one.end]
                    found.append(
                        Contradiction("surface", (one, other), f"“{word}” is both {first} and {second}, which are disjoint")
                    )
        for relation in relations:
            broken = self._broken(relation, entities)
            if broken is not None:
                _, head, tail = broken
                words = [texts[m.text][m.start : m.end] for m in (relation.head, relation.tail)]
                message = f"“{words[0]}” ({head.label}) {relation.type} “{words[1]}” ({tail.label}) is against the ontology"
                found.append(Contradiction("relation", (relation.head, relation.tail), message))
        return found

    def repair(
        self, texts: Sequence[str], candidates: Sequence[Sequence[Candidate]], relations: Sequence[KnownRelation] = ()
    ) -> list[list[Candidate]]:
        """The candidates with entities under other labels, so that the rules hold.

        Of a surface with disjoint types the label stays that has the most evidence over the document (the largest sum of ln P);
        every mention that contradicts it takes its most probable label that does not. The two ends of a relation take the most
        probable pair of labels that it allows. Spans stay what they are.

        Args:
            texts, candidates, relations: as in `find`.
        """
        entities = _entities(candidates)
        changed: dict[Mention, Candidate] = {}
        for relation in relations:
            broken = self._broken(relation, {**entities, **changed})
            if broken is not None:
                rule, head, tail = broken
                pairs = [
                    (self._log_prob(head, one) + self._log_prob(tail, other), one, other)
                    for one, other in product(sorted(rule.heads & set(self.labels)), sorted(rule.tails & set(self.labels)))
                ]
                if pairs:
                    _, one, other = max(pairs)
                    changed[relation.head], changed[relation.tail] = self._as(head, one), self._as(tail, other)
        entities = {**entities, **changed}
        for group in _by_surface(texts, entities):
            present = {entities[mention].label for mention in group}
            if any(self._are_disjoint(*pair) for pair in combinations(present, 2)):
                evidence = {name: sum(self._log_prob(entities[mention], name) for mention in group) for name in sorted(present)}
                winner = max(evidence, key=evidence.__getitem__)
                for mention in group:
                    if self._are_disjoint(entities[mention].label, winner):
                        changed[mention] = self._next(entities[mention], winner)
        return [
            [changed.get(Mention(number, one.start, one.end), one) if one.is_entity else one for one in row]
            for number, row in enumerate(candidates)
        ]

    def _broken(
        self, relation: KnownRelation, entities: Mapping[Mention, Candidate]
    ) -> tuple[RelationType, Candidate, Candidate] | None:
        """The rule that a relation breaks, with its two ends; None where it keeps it, or where an end is no entity or under no
        rule."""
        head, tail, rule = entities.get(relation.head), entities.get(relation.tail), self._relations.get(relation.type)
        if head is None or tail is None or rule is None or not {head.label, tail.label} <= self._types:
            return None
        return None if head.label in rule.heads and tail.label in rule.tails else (rule, head, tail)

    @cached_property
    def _types(self) -> set[str]:
        return {type_.name for type_ in self.ontology.types}

    @cached_property
    def _relations(self) -> dict[str, RelationType]:
        return {relation.name: relation for relation in self.ontology.relations}

    def _are_disjoint(self, one: str, other: str) -> bool:
        return one != other and frozenset({one, other}) in self.ontology.disjoint

    def _log_prob(self, candidate: Candidate, label: str) -> float:
        return float(np.log(max(candidate.distribution[self.labels.index(label)], _MIN)))

    def _next(self, candidate: Candidate, winner: str) -> Candidate:
        """Under its most probable label that goes with the winner."""
        allowed = [name for name in self.labels[1:] if not self._are_disjoint(name, winner)]
        return self._as(candidate, max(allowed, key=lambda name: self._log_prob(candidate, name)))

    def _as(self, candidate: Candidate, label: str) -> Candidate:
        """Under another label; how sure the members were does not change, and so its uncertainty rises."""
        if candidate.label == label or candidate.is_forced:
            return candidate
        probability = candidate.distribution[self.labels.index(label)]
        swapped = list(candidate.distribution)
        own, other = self.labels.index(candidate.label), self.labels.index(label)
        swapped[own], swapped[other] = swapped[other], swapped[own]
        return replace(
            candidate, label=label, distribution=tuple(swapped), uncertainty=max(candidate.uncertainty, 1.0 - probability)
        )


def _entities(candidates: Sequence[Sequence[Candidate]]) -> dict[Mention, Candidate]:
    return {Mention(number, one.start, one.end): one for number, row in enumerate(candidates) for one in row if one.is_entity}


def _by_surface(texts: Sequence[str], entities: dict[Mention, Candidate]) -> Iterator[list[Mention]]:
    """Mentions of one surface, in any spelling."""
    groups: dict[str, list[Mention]] = {}
    for mention in entities:
        groups.setdefault(fold(texts[mention.text][mention.start : mention.end]), []).append(mention)
    yield from groups.values()
