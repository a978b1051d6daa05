"""Putting the LLM's label and the local distribution together, and choosing the entities of a text again after that."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hybridner.ensemble.candidates import Candidate
from hybridner.ensemble.decide import MAX_LOG_ODDS
from hybridner.ensemble.log_odds import log_odds
from hybridner.llm.confusion import ConfusionMatrix, Distribution
from hybridner.spans import RESOLVERS

#: A label that the local models rule out altogether could never be restored, so each keeps at least this probability.
_LEAST = 1e-9
#: By how much another label must be more probable than the local one to replace it; absorbs rounding.
_MARGIN = 1e-9


@dataclass(frozen=True, slots=True)
class FusionResult:
    """A candidate's label after fusion, its distribution, and its weight against overlapping ones (ln P(label) - ln P(O))."""

    label: int
    distribution: Distribution
    weight: float


def fuse_replace(
    distribution: Distribution, local: int, answer: int, matrix: ConfusionMatrix, confidence: Sequence[float] = ()
) -> FusionResult:
    """The LLM's choice stands; O deletes (the paper's way, section 2.4.5). `matrix` and `confidence` are not used.

    The distribution stays that of the local models with its largest value given to the answer, as the ensemble does for its own
    label: how sure an LLM is of a bare label is not known. Of two overlapping spans that it accepts, the locally more probable
    wins.
    """
    values = list(distribution)
    top = values.index(max(values))
    weight = 0.0 if answer == 0 else MAX_LOG_ODDS + distribution[answer]
    values[answer], values[top] = values[top], values[answer]
    return FusionResult(answer, tuple(values), weight)


def fuse_bayes(
    distribution: Distribution, local: int, answer: int, matrix: ConfusionMatrix, confidence: Sequence[float] = ()
) -> FusionResult:
    """P(l | span, answer) ∝ P(l | span) · P(answer | l), with the matrix's column of the answer.

    An answer that is equally likely under every true label leaves all as it was, label and distribution.

    Args:
        distribution: P(l | span) over the K + 1 labels, O first.
        local: number of the local label, which wins ties.
        answer: number of the LLM's label.
        matrix: of the verifier, over the same labels.
        confidence: [K + 1] the verifier's own probabilities of its labels, where it gave them; see `ConfusionMatrix.likelihood`.
    """
    likelihood = matrix.likelihood(answer, confidence)
    if max(likelihood) - min(likelihood) <= _MARGIN * max(likelihood):
        return FusionResult(local, distribution, _weight(distribution, local))
    joint = [max(p, _LEAST) * q for p, q in zip(distribution, likelihood, strict=True)]
    total = sum(joint)
    posterior = tuple(p / total for p in joint)
    best = max(range(len(posterior)), key=posterior.__getitem__)
    label = best if posterior[best] > posterior[local] + _MARGIN else local
    return FusionResult(label, posterior, _weight(posterior, label))


class Fusion(Protocol):
    """A way of fusing, see `fuse_bayes`."""

    def __call__(
        self, distribution: Distribution, local: int, answer: int, matrix: ConfusionMatrix, confidence: Sequence[float] = ()
    ) -> FusionResult: ...


FUSIONS: dict[str, Fusion] = {"replace": fuse_replace, "bayes": fuse_bayes}
"""The ways of fusing an answer with the local distribution, by the name users give them."""


def resolve_again(
    candidates: Sequence[Candidate], fused: Mapping[int, FusionResult], labels: Sequence[str], decoding: str
) -> list[Candidate]:
    """The candidates of one text after fusion, with its entities chosen anew.

    Candidates without an answer keep their label and weight: fusion changes what the answers bear on and nothing else.

    Args:
        candidates: of one text, as `decide` returns them.
        fused: what became of those that got an answer, by their number.
        labels: the K + 1 names, O first.
        decoding: a key of `RESOLVERS`.

    Examples:
        >>> from hybridner.llm.fusion import fuse_replace
        >>> candidates = model.predict([text])[0].candidates
        >>> first = next(number for number, candidate in enumerate(candidates) if candidate.is_entity)
        >>> matrix = ConfusionMatrix.from_accuracy(0.9, labels.with_outside)
        >>> answer = fuse_replace(candidates[first].distribution, 1, 0, matrix)         # the LLM says: no entity
        >>> [c.is_entity for c in resolve_again(candidates, {first: answer}, labels.with_outside, "flat")][first]
        False
    """
    if not fused:
        return list(candidates)
    position = {label: index for index, label in enumerate(labels)}
    weights = [candidate.weight for candidate in candidates]
    for index, new in fused.items():
        old = position[candidates[index].label]
        if new.label == 0 or new.label != old:
            weights[index] = new.weight
        else:
            # The same label: the local weight moves by as much as the answer moved the log-odds.
            weights[index] += new.weight - _weight(candidates[index].distribution, old)
    taken = set(RESOLVERS[decoding]([(candidate.start, candidate.end) for candidate in candidates], weights))
    final: list[Candidate] = []
    for index, candidate in enumerate(candidates):
        candidate = replace(candidate, is_entity=index in taken)
        if index in fused:
            new = fused[index]
            candidate = replace(candidate, label=labels[new.label], distribution=new.distribution, weight=weights[index])
        final.append(candidate)
    return final


def _weight(distribution: Distribution, label: int) -> float:
    """ln P(label) - ln P(O), cut off."""
    against, given = (math.log(max(distribution[index], _LEAST)) for index in (0, label))
    return float(log_odds(given, against, MAX_LOG_ODDS))
