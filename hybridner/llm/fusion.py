"""Putting the LLM's label and the local distribution together, and choosing the entities of a text again after that."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hybridner.ensemble.decide import Candidate
from hybridner.llm.verifier import LlmError
from hybridner.spans import RESOLVERS

#: Log-odds are cut off here, as in the ensemble: a certain span still has a finite weight.
_CERTAIN = 14.0
#: A label that the local models rule out altogether could never be restored, so each keeps at least this probability.
_LEAST = 1e-9
#: By how much another label must be more probable than the local one to replace it; absorbs rounding.
_MARGIN = 1e-9

Distribution = tuple[float, ...]


@dataclass(frozen=True)
class ConfusionMatrix:
    """P(answer | true label) of a verifier.

    Attributes:
        labels: the K + 1 names, O first.
        rows: K + 1 rows, one for each true label, of K + 1 probabilities of the answers; each row sums to 1.

    Raises:
        LlmError: rows of another shape or that do not sum to 1.
    """

    labels: tuple[str, ...]
    rows: tuple[Distribution, ...]

    def __post_init__(self) -> None:
        size = len(self.labels)
        if size < 2 or len(self.rows) != size or any(len(row) != size for row in self.rows):
            raise LlmError(f"a confusion matrix over {size} labels needs {size} rows of {size} probabilities")
        if any(min(row) < 0 or not math.isclose(sum(row), 1.0, abs_tol=1e-6) for row in self.rows):
            raise LlmError("each row of a confusion matrix must hold probabilities that sum to 1")

    @classmethod
    def from_accuracy(cls, accuracy: float, labels: Sequence[str]) -> ConfusionMatrix:
        """A verifier that is right with the stated probability, its errors spread evenly.

        An accuracy below chance, 1 / (K + 1), counts as chance: no stated figure should turn answers into their opposite.
        """
        if not 0.0 <= accuracy <= 1.0:
            raise LlmError(f"`accuracy` must lie in [0, 1], got {accuracy}")
        size = len(labels)
        right = max(accuracy, 1.0 / size)
        wrong = (1.0 - right) / (size - 1)
        rows = tuple(tuple(right if i == j else wrong for j in range(size)) for i in range(size))
        return cls(tuple(labels), rows)

    @classmethod
    def fit(cls, pairs: Iterable[tuple[str, str]], labels: Sequence[str], *, smoothing: float = 5.0) -> ConfusionMatrix:
        """From (true label, answer) pairs, such as those of `answered_pairs` on development or out-of-fold data.

        Row t is (n(t, a) + α·q(a)) / (n(t) + α) with q the smoothed share of answer a over all pairs. A label never seen gets the
        row q: an answer then says nothing about it, which is the cautious reading of no evidence.

        Args:
            pairs: over `labels`; anything else is an error.
            labels: the K + 1 names, O first.
            smoothing: α, in answers.
        """
        if not smoothing > 0:
            raise LlmError(f"`smoothing` must be positive, got {smoothing}")
        position = {label: index for index, label in enumerate(labels)}
        size = len(position)
        counts = [[0] * size for _ in range(size)]
        for true, answer in pairs:
            if true not in position or answer not in position:
                raise LlmError(f"({true!r}, {answer!r}) names a label outside {', '.join(labels)}")
            counts[position[true]][position[answer]] += 1
        given = [sum(row[j] for row in counts) for j in range(size)]
        share = [(count + 1.0) / (sum(given) + size) for count in given]
        rows = tuple(
            tuple((count + smoothing * share[j]) / (sum(row) + smoothing) for j, count in enumerate(row)) for row in counts
        )
        return cls(tuple(labels), rows)

    def to_dict(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "rows": [list(row) for row in self.rows]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ConfusionMatrix:
        return cls(tuple(data["labels"]), tuple(tuple(row) for row in data["rows"]))


@dataclass(frozen=True, slots=True)
class Fused:
    """A candidate's label after fusion, its distribution, and its weight against overlapping ones (ln P(label) - ln P(O))."""

    label: int
    distribution: Distribution
    weight: float


def fuse_replace(distribution: Distribution, local: int, answer: int, matrix: ConfusionMatrix) -> Fused:
    """The LLM's choice stands; O deletes (the paper's way). `matrix` is not used.

    The distribution stays that of the local models with its largest value given to the answer, as the ensemble does for its own
    label: how sure an LLM is of a bare label is not known. Of two overlapping spans that it accepts, the locally more probable
    wins.
    """
    values = list(distribution)
    top = values.index(max(values))
    weight = 0.0 if answer == 0 else _CERTAIN + distribution[answer]
    values[answer], values[top] = values[top], values[answer]
    return Fused(answer, tuple(values), weight)


def fuse_bayes(distribution: Distribution, local: int, answer: int, matrix: ConfusionMatrix) -> Fused:
    """P(l | span, answer) ∝ P(l | span) · P(answer | l), with the matrix's column of the answer.

    An answer that is equally likely under every true label leaves all as it was, label and distribution.

    Args:
        distribution: P(l | span) over the K + 1 labels, O first.
        local: number of the local label, which wins ties.
        answer: number of the LLM's label.
        matrix: of the verifier, over the same labels.
    """
    likelihood = [row[answer] for row in matrix.rows]
    if max(likelihood) - min(likelihood) <= _MARGIN * max(likelihood):
        return Fused(local, distribution, _log_odds(distribution, local))
    joint = [max(p, _LEAST) * q for p, q in zip(distribution, likelihood, strict=True)]
    total = sum(joint)
    posterior = tuple(p / total for p in joint)
    best = max(range(len(posterior)), key=posterior.__getitem__)
    label = best if posterior[best] > posterior[local] + _MARGIN else local
    return Fused(label, posterior, _log_odds(posterior, label))


Fusion = Callable[[Distribution, int, int, ConfusionMatrix], Fused]

#: The ways of fusing by the name users give them.
FUSIONS: dict[str, Fusion] = {"replace": fuse_replace, "bayes": fuse_bayes}


def resolve_again(
    candidates: Sequence[Candidate], fused: Mapping[int, Fused], labels: Sequence[str], decoding: str
) -> list[Candidate]:
    """The candidates of one text after fusion, with its entities chosen anew.

    Candidates without an answer keep their label and weight: fusion changes what the answers bear on and nothing else.

    Args:
        candidates: of one text, as `decide` returns them.
        fused: what became of those that got an answer, by their number.
        labels: the K + 1 names, O first.
        decoding: a key of `RESOLVERS`.
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
            weights[index] += new.weight - _log_odds(candidates[index].distribution, old)
    taken = set(RESOLVERS[decoding]([(candidate.start, candidate.end) for candidate in candidates], weights))
    final: list[Candidate] = []
    for index, candidate in enumerate(candidates):
        candidate = replace(candidate, chosen=index in taken)
        if index in fused:
            new = fused[index]
            candidate = replace(candidate, label=labels[new.label], distribution=new.distribution, weight=weights[index])
        final.append(candidate)
    return final


def _log_odds(distribution: Distribution, label: int) -> float:
    """ln P(label) - ln P(O), within ±_CERTAIN."""
    if label == 0:
        return 0.0
    odds = math.log(max(distribution[label], _LEAST)) - math.log(max(distribution[0], _LEAST))
    return max(-_CERTAIN, min(_CERTAIN, odds))
