"""Rules that must hold: terms that are always entities of a label, and terms that never are. A call gives them, no model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hybridner.data.terms import Term, checked_term, read_terms
from hybridner.ensemble import Candidate
from hybridner.ensemble.decide import MAX_LOG_ODDS
from hybridner.errors import DataError, ModelError
from hybridner.gazetteer.matcher import Matcher
from hybridner.spans import NON_ENTITY, RESOLVERS
from hybridner.text.folding import fold

#: Stands for every label.
ANY = "*"

#: Terms by label, a list of terms (`forbid` only), or a file of terms.
RuleTerms = Mapping[str, Sequence[str]] | Sequence[str] | str | os.PathLike[str]


@dataclass(frozen=True)
class Rules:
    """What must hold of the entities of any text, whatever members and LLM say.

    Case, width and traditional characters make no difference. Of forced terms that overlap in a text the first counts, and of
    those that begin together the longest.

    Attributes:
        force: label of each forced term, in folded form.
        forbid: the labels that each forbidden term never has, in folded form; `ANY` for all.

    Examples:
        >>> rules = Rules.of({"System": ["克拉苏哈"]}, {"State": ["北约"]}, ["State", "System"])
        >>> rules.allows("北约", "State"), rules.allows("北约", "System")
        (False, True)
    """

    force: Mapping[str, str]
    forbid: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, force: RuleTerms | None, forbid: RuleTerms | None, labels: Sequence[str]) -> Rules | None:
        """Rules from what a caller gives; None where there are none.

        Args:
            force: terms by label, such as ``{"LOC": ["硅谷"]}``, or a file that `hybridner.data.terms.read_terms` reads.
            forbid: terms that are no entity, or terms by the label that they do not have, or a file of either.
            labels: the K names.

        Raises:
            DataError: a file or a term that cannot be read.
            ModelError: an unknown label, a term that is forced to have two labels, or one that is forced and forbidden.

        Examples:
            >>> Rules.of({"LOC": ["硅谷"]}, ["中国"], ["LOC"]).allows("中國", "LOC")
            False
        """
        forced: dict[str, str] = {}
        for term in _terms(force, "force", labels):
            if forced.setdefault(fold(term.surface), term.label) != term.label:
                raise ModelError(f"force: {term.surface!r} cannot be {forced[fold(term.surface)]} and {term.label} at once")
        forbidden: dict[str, frozenset[str]] = {}
        for term in _terms(forbid, "forbid", (ANY, *labels)):
            key = fold(term.surface)
            forbidden[key] = forbidden.get(key, frozenset()) | {term.label}
            if forced.get(key) in forbidden[key] or (key in forced and ANY in forbidden[key]):
                raise ModelError(f"{term.surface!r} is forced and forbidden at once")
        return cls(forced, forbidden) if forced or forbidden else None

    def allows(self, word: str, label: str) -> bool:
        """Whether a word may be an entity of this label."""
        forbidden = self.forbid.get(fold(word))
        return not forbidden or not (label in forbidden or ANY in forbidden)

    def apply(self, text: str, candidates: Sequence[Candidate], labels: Sequence[str], decoding: str) -> list[Candidate]:
        """The candidates of a text as the rules want them; those that contradict a rule are gone.

        Args:
            text: the text.
            candidates: decided, sorted by start, then longer first.
            labels: the K + 1 names, O first.
            decoding: "flat" (nothing may overlap a forced term) or "nested" (nothing may cross it).

        Returns:
            candidates in the same order. Where one is gone, the best set of the others is chosen anew.
        """
        forced = self._forced(text)
        taken = {(start, end) for start, end, _ in forced}
        left = [
            allowed
            for candidate in candidates
            if (candidate.start, candidate.end) not in taken
            and not any(_in_conflict(candidate, start, end, decoding) for start, end in taken)
            and (allowed := self._allowed(text, candidate, labels)) is not None
        ]
        if not forced and left == list(candidates):
            return left
        entities = set(RESOLVERS[decoding]([(one.start, one.end) for one in left], [one.weight for one in left]))
        votes = {(one.start, one.end): one.votes for one in candidates}
        result = [replace(one, is_entity=number in entities) for number, one in enumerate(left)]
        result += [
            Candidate(
                start,
                end,
                label,
                is_entity=True,
                distribution=tuple(float(name == label) for name in labels),
                weight=MAX_LOG_ODDS,
                uncertainty=0.0,
                votes=votes.get((start, end), {}),
                is_forced=True,
            )
            for start, end, label in forced
        ]
        return sorted(result, key=lambda one: (one.start, -one.end))

    def _forced(self, text: str) -> list[tuple[int, int, str]]:
        """Start, end and label of the forced terms of a text, none overlapping another."""
        if self._matcher is None:
            return []
        chosen: list[tuple[int, int, str]] = []
        for start, end, number in sorted(self._matcher.find(text), key=lambda hit: (hit[0], -hit[1])):
            if not chosen or start >= chosen[-1][1]:
                chosen.append((start, end, self._forced_labels[number]))
        return chosen

    @cached_property
    def _matcher(self) -> Matcher | None:
        return Matcher(self.force) if self.force else None

    @cached_property
    def _forced_labels(self) -> tuple[str, ...]:
        return tuple(self.force.values())

    def _allowed(self, text: str, candidate: Candidate, labels: Sequence[str]) -> Candidate | None:
        """The candidate itself, under its next most probable label where its own is forbidden, or None for no entity at all."""
        word = text[candidate.start : candidate.end]
        if candidate.label == NON_ENTITY or self.allows(word, candidate.label):
            return candidate
        if ANY in self.forbid[fold(word)]:
            return None
        return with_labels(candidate, labels, [name for name in labels if self.allows(word, name)])


def with_labels(candidate: Candidate, labels: Sequence[str], allowed: Sequence[str]) -> Candidate | None:
    """A candidate under the most probable of the labels that it may have; None where that is O.

    Args:
        candidate: with a distribution over all labels.
        labels: the K + 1 names, O first.
        allowed: those that it may have, O among them.
    """
    probabilities = {name: p for name, p in zip(labels, candidate.distribution, strict=True) if name in allowed}
    total = sum(probabilities.values())
    best = max(probabilities, key=probabilities.__getitem__)
    if best == NON_ENTITY or not total:
        return None
    return replace(
        candidate,
        label=best,
        distribution=tuple(probabilities.get(name, 0.0) / total for name in labels),
        weight=min(candidate.weight, MAX_LOG_ODDS),
        uncertainty=max(candidate.uncertainty, 1.0 - probabilities[best] / total),
    )


def _in_conflict(candidate: Candidate, start: int, end: int, decoding: str) -> bool:
    if candidate.end <= start or end <= candidate.start:
        return False
    is_nested = (candidate.start <= start and end <= candidate.end) or (start <= candidate.start and candidate.end <= end)
    return decoding == "flat" or not is_nested


def _terms(given: RuleTerms | None, name: str, labels: Sequence[str]) -> Iterable[Term]:
    default = ANY if ANY in labels else None
    if given is None:
        return
    if isinstance(given, (str, os.PathLike)):
        terms: Iterable[Term] = read_terms(os.fspath(given), default)
    elif isinstance(given, Mapping):
        terms = (checked_term(word, label, where=name) for label, words in given.items() for word in _listed(words, name))
    elif default is not None:
        terms = (checked_term(word, default, where=name) for word in _listed(given, name))
    else:
        raise ModelError(f'{name} takes terms by label, such as {{{labels[0]!r}: ["…"]}}, or a file; got {type(given).__name__}')
    for term in terms:
        if term.label not in labels:
            raise ModelError(f"{name}: there is no label {term.label!r}; the model has {', '.join(labels)}")
        yield term


def _listed(words: object, name: str) -> Sequence[object]:
    if isinstance(words, (str, bytes)) or not isinstance(words, (list, tuple, set, frozenset)):
        raise DataError(f"{name} takes lists of terms; got {words!r}")
    return list(words)
