"""The LLM as a member among members: what it found in whole sentences joins the ballot, weighed by how reliable it has proved.

The composite's distribution over a candidate is the prior; the LLM's vote, silence included, is evidence with a likelihood for
each true label. A span that it alone proposes becomes a candidate with the share of right ones among such spans.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hybridner.ensemble.candidates import Candidate
from hybridner.errors import LlmError
from hybridner.llm.confusion import ConfusionMatrix, Distribution
from hybridner.llm.fusion import FusionResult, fuse_bayes, resolve_again
from hybridner.spans import Span


@dataclass(frozen=True)
class MemberReliability:
    """How far an LLM is to be trusted as a member; `hybridner.calibration.fit_member` fits it.

    Attributes:
        matrix: P(what it says about a candidate of the composite | true label); O stands for its silence.
        alone: [K + 1] by the label it gives, P(right | no member proposed the span); the entry of O has no meaning.
        alone_rate: [K + 1] by label, how many spans it alone proposes in a character of text.

    Raises:
        LlmError: rows of another length than the matrix, or numbers out of range.

    Examples:
        >>> reliability = MemberReliability.from_accuracy(0.9, ["O", "State", "Place"])
        >>> MemberReliability.from_dict(reliability.to_dict()) == reliability
        True
    """

    matrix: ConfusionMatrix
    alone: Distribution
    alone_rate: Distribution

    def __post_init__(self) -> None:
        size = len(self.matrix.labels)
        for name, row in (("alone", self.alone), ("alone_rate", self.alone_rate)):
            if len(row) != size or any(not 0.0 <= value <= 1.0 for value in row):
                raise LlmError(f"`{name}` of a member's reliability must hold {size} numbers from 0 to 1")

    @classmethod
    def from_accuracy(cls, accuracy: float, labels: Sequence[str]) -> MemberReliability:
        """That of an LLM nothing was fitted for; where it alone proposes a span it is not believed.

        It has to find a span with its borders and to label it, each as well as it is said to label. Where it does not, it answers
        by habit, with silence as often as with all labels together: what annotators mark and an LLM leaves out is a common
        error. So a sure entity of the composite outlives the silence.

        Args:
            accuracy: how often it labels a span right that it is shown.
            labels: the K + 1 names, O first.
        """
        if not 0.0 <= accuracy <= 1.0:
            raise LlmError(f"`accuracy` must lie in [0, 1], got {accuracy}")
        size = len(labels)
        habit = (0.5, *[0.5 / (size - 1)] * (size - 1))
        knows = accuracy**2
        rows = tuple(tuple(knows * (a == t) + (1.0 - knows) * habit[a] for a in range(size)) for t in range(size))
        return cls(ConfusionMatrix(tuple(labels), rows), (accuracy / 2,) * size, (0.0,) * size)

    def to_dict(self) -> dict[str, Any]:
        return {"matrix": self.matrix.to_dict(), "alone": list(self.alone), "alone_rate": list(self.alone_rate)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MemberReliability:
        """Raises LlmError when it is not what `to_dict` gives."""
        try:
            matrix, alone, rate = data["matrix"], tuple(data["alone"]), tuple(data["alone_rate"])
        except (KeyError, TypeError) as error:
            raise LlmError(f"a member's reliability has `matrix`, `alone` and `alone_rate`: {error!r}") from None
        return cls(ConfusionMatrix.from_dict(matrix), alone, rate)


@dataclass(frozen=True, slots=True)
class JoinedCandidate:
    """A candidate after the LLM's vote.

    Attributes:
        candidate: with what the vote made of it.
        said: the LLM's label, "O" for its silence; None where it was not asked.
        original: the candidate before; None for a span that the LLM alone proposes.

    Examples:
        >>> candidates = model.predict([text])[0].candidates
        >>> reliability = MemberReliability.from_accuracy(0.9, labels.with_outside)
        >>> first = join_member(candidates, [], [(0, len(text))], reliability, "flat")[0]
        >>> first.said, first.candidate.distribution[0] > first.original.distribution[0]        # its silence speaks for O
        ('O', True)
    """

    candidate: Candidate
    said: str | None
    original: Candidate | None


def join_member(
    candidates: Sequence[Candidate],
    found: Iterable[Span],
    pieces: Sequence[tuple[int, int]],
    reliability: MemberReliability,
    decoding: str,
) -> list[JoinedCandidate]:
    """The candidates of one text with the LLM's votes, its own spans among them, and the entities chosen anew.

    What a rule of the caller has made an entity stays one.

    Args:
        candidates: of the text, as `decide` returns them.
        found: what the LLM extracted; of two labels for the same characters the first counts.
        pieces: the parts [start, end) of the text that it answered about. It says nothing about spans that cross their borders.
        reliability: over the same labels.
        decoding: a key of `hybridner.spans.RESOLVERS`.

    Returns:
        in text order, longer first.

    Examples:
        >>> candidates = model.predict([text])[0].candidates
        >>> reliability = MemberReliability.from_accuracy(0.9, labels.with_outside)
        >>> joined = join_member(candidates, [Span(0, 3, "Adversary States")], [(0, len(text))], reliability, "flat")
        >>> [(one.candidate.start, one.said) for one in joined if one.candidate.is_entity]
        [(0, 'Adversary States'), (6, 'O')]
    """
    labels = reliability.matrix.labels
    number = {label: index for index, label in enumerate(labels)}
    votes: dict[tuple[int, int], int] = {}
    for span in found:
        votes.setdefault((span.start, span.end), number[span.label])
    whole: list[tuple[Candidate, Candidate | None]] = [(candidate, candidate) for candidate in candidates]
    known = {(candidate.start, candidate.end) for candidate in candidates}
    whole += [(_alone(*place, vote, reliability), None) for place, vote in votes.items() if place not in known]
    whole.sort(key=lambda pair: (pair[0].start, -pair[0].end))
    said = [votes.get((candidate.start, candidate.end), 0) if _is_inside(candidate, pieces) else None for candidate, _ in whole]
    fused: dict[int, FusionResult] = {
        index: fuse_bayes(candidate.distribution, number[candidate.label], vote, reliability.matrix)
        for index, ((candidate, original), vote) in enumerate(zip(whole, said, strict=True))
        if original is not None and vote is not None and not candidate.is_forced
    }
    fused |= {
        index: FusionResult(number[candidate.label], candidate.distribution, candidate.weight)
        for index, (candidate, original) in enumerate(whole)
        if original is None
    }
    final = resolve_again([candidate for candidate, _ in whole], fused, labels, decoding)
    return [
        JoinedCandidate(_with_uncertainty(candidate, before), None if vote is None else labels[vote], original)
        for candidate, (before, original), vote in zip(final, whole, said, strict=True)
    ]


def expected_gain(candidates: Iterable[Candidate], characters: int, reliability: MemberReliability) -> float:
    """How many more decisions about a piece of text are expected to be right once the LLM has read it.

    For each candidate the value of its vote: Σ_a max_l P(l) · P(a | l) - max_l P(l), summed over what it may say. For spans that
    only the LLM may propose: how many a character, times what taking them brings, 2 · P(right) - 1 where that is above 0.

    Args:
        candidates: those inside the piece.
        characters: length of the piece.
        reliability: of the LLM.

    Examples:
        >>> candidates = model.predict([text])[0].candidates
        >>> knows, guesses = (MemberReliability.from_accuracy(share, labels.with_outside) for share in (0.95, 0.1))
        >>> expected_gain(candidates, len(text), knows) > expected_gain(candidates, len(text), guesses)
        True
    """
    gain = math.fsum(_value_of_vote(candidate.distribution, reliability.matrix.rows) for candidate in candidates)
    for right, rate in zip(reliability.alone[1:], reliability.alone_rate[1:], strict=True):
        gain += characters * rate * max(0.0, 2.0 * right - 1.0)
    return gain


def _value_of_vote(prior: Distribution, rows: Sequence[Distribution]) -> float:
    votes = zip(*rows, strict=True)
    informed = sum(max(p * q for p, q in zip(prior, column, strict=True)) for column in votes)
    return float(max(0.0, informed - max(prior)))


def _alone(start: int, end: int, vote: int, reliability: MemberReliability) -> Candidate:
    """The candidate of a span that no member proposed."""
    right = min(max(reliability.alone[vote], 1e-6), 1.0 - 1e-6)
    labels = reliability.matrix.labels
    distribution = tuple({0: 1.0 - right, vote: right}.get(index, 0.0) for index in range(len(labels)))
    weight = math.log(right / (1.0 - right))
    taken = weight > 0
    label = labels[vote] if taken else labels[0]
    return Candidate(start, end, label, taken, distribution, max(weight, 0.0), 1.0 - max(distribution), {})


def _with_uncertainty(candidate: Candidate, before: Candidate) -> Candidate:
    """What the vote has moved is as uncertain as its distribution now says."""
    if candidate.distribution == before.distribution:
        return candidate
    return replace(candidate, uncertainty=1.0 - max(candidate.distribution))


def _is_inside(candidate: Candidate, pieces: Iterable[tuple[int, int]]) -> bool:
    return any(start <= candidate.start and candidate.end <= end for start, end in pieces)
