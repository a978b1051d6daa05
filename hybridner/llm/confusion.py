"""How reliable a verifier is: P(answer | true label), stated or fitted on answers whose true label is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridner.errors import LlmError

Floats = NDArray[np.float64]
Distribution = tuple[float, ...]

#: The amounts of smoothing to choose from, in answers per row.
_SMOOTHING = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_FOLDS = 10
#: Answers without knowledge that are added to those of each kind of true label, so that few right ones do not pass for certainty.
_DOUBT = 3.0


@dataclass(frozen=True)
class ConfusionMatrix:
    """P(answer | true label) of a verifier.

    Attributes:
        labels: the K + 1 names, O first.
        rows: K + 1 rows, one for each true label, of K + 1 probabilities of the answers; each row sums to 1.
        trust: how much of an answer's evidence counts, as an exponent of the likelihood: 1 where the verifier errs
            independently of the composite, less where it errs with it, 0 for an answer that tells nothing new.

    Raises:
        LlmError: rows of another shape or that do not sum to 1, or a negative trust.

    Examples:
        >>> matrix = ConfusionMatrix.from_accuracy(0.8, ["O", "State", "Place"])
        >>> [round(share, 2) for share in matrix.rows[0]]
        [0.8, 0.1, 0.1]
    """

    labels: tuple[str, ...]
    rows: tuple[Distribution, ...]
    trust: float = 1.0

    def __post_init__(self) -> None:
        size = len(self.labels)
        if size < 2 or len(self.rows) != size or any(len(row) != size for row in self.rows):
            raise LlmError(f"a confusion matrix over {size} labels needs {size} rows of {size} probabilities")
        if any(min(row) < 0 or not math.isclose(sum(row), 1.0, abs_tol=1e-6) for row in self.rows):
            raise LlmError("each row of a confusion matrix must hold probabilities that sum to 1")
        if not 0.0 <= self.trust <= 2.0:
            raise LlmError(f"`trust` of a confusion matrix must lie in [0, 2], got {self.trust}")

    def likelihood(self, answer: int, confidence: Sequence[float] = ()) -> list[float]:
        """How likely the verifier's answer is under each true label, [K + 1], with as much of it as counts.

        Args:
            answer: number of the label it gave.
            confidence: [K + 1] its own probabilities of the labels, where it gave them. An answer that is open between two
                labels is as likely as theirs on average.
        """
        if not confidence:
            return [row[answer] ** self.trust for row in self.rows]
        return [sum(q * p for q, p in zip(confidence, row, strict=True)) ** self.trust for row in self.rows]

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
    def fit(cls, pairs: Iterable[tuple[str, str]], labels: Sequence[str]) -> ConfusionMatrix:
        """From (true label, answer) pairs, such as those of `collect_answer_pairs` on development or out-of-fold data.

        Row t is (n(t, a) + α·b(t, a)) / (n(t) + α). b(t, a) = λ·[a = t] + (1 - λ)·q(a) is the matrix of a verifier that knows the
        label with probability λ (one λ for entities of all types, one for O) and else answers by habit q, whatever the truth. So
        a few hundred answers suffice for a hundred probabilities, and answers that do not depend on the truth make rows that are
        all alike. α is the one under which left-out pairs are most likely (ten-fold).

        Args:
            pairs: over `labels`; anything else is an error.
            labels: the K + 1 names, O first.
        """
        position = {label: index for index, label in enumerate(labels)}
        numbered: list[tuple[int, int]] = []
        for true, answer in pairs:
            if true not in position or answer not in position:
                raise LlmError(f"({true!r}, {answer!r}) names a label outside {', '.join(labels)}")
            numbered.append((position[true], position[answer]))
        cells = np.array(numbered, dtype=np.int64).reshape(-1, 2)
        counts = _counts(cells, len(position))
        rows = _smoothed(counts, knows_or_guesses(counts), _best_smoothing(cells, len(position)))
        return cls(tuple(labels), tuple(tuple(row) for row in rows.tolist()))

    def to_dict(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "rows": [list(row) for row in self.rows], "trust": self.trust}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ConfusionMatrix:
        """Raises LlmError when it is not what `to_dict` gives."""
        try:
            return cls(tuple(data["labels"]), tuple(tuple(row) for row in data["rows"]), data.get("trust", 1.0))
        except (KeyError, TypeError) as error:
            raise LlmError(
                f"a confusion matrix has `labels` and `rows`, a row of probabilities for each label: {error!r}"
            ) from None


def knows_or_guesses(counts: Floats) -> Floats:
    """The most probable matrix of a verifier that knows or else answers by habit, by expectation maximisation.

    Args:
        counts: [K + 1, K + 1] how often each true label (row) got each answer.

    Returns:
        [K + 1, K + 1], each row sums to 1.
    """
    size = len(counts)
    kinds = (np.arange(size) > 0).astype(int)  # O, entities
    right, total = np.diag(counts), np.array([counts[0].sum(), counts[1:].sum()]) + _DOUBT
    knows, habit = np.array([0.5, 0.5]), (counts.sum(0) + 1.0) / (counts.sum() + size)
    for _ in range(200):
        before = knows
        known = right * knows[kinds] / (knows[kinds] + (1.0 - knows[kinds]) * habit)
        knows = np.array([known[0], known[1:].sum()]) / total
        guessed = counts.sum(0) - known
        habit = (guessed + 1.0) / (guessed.sum() + size)
        if np.abs(knows - before).max() < 1e-6:
            break
    return np.asarray((1.0 - knows[kinds])[:, None] * habit + np.diag(knows[kinds]))


def _best_smoothing(cells: NDArray[np.int64], size: int) -> float:
    """The α under which the pairs of each fold are most likely after a fit on the others; with hardly any pairs, the largest."""
    if len(cells) < _FOLDS:
        return _SMOOTHING[-1]
    fold = np.arange(len(cells)) % _FOLDS
    likelihood = np.zeros(len(_SMOOTHING))
    for number in range(_FOLDS):
        counts = _counts(cells[fold != number], size)
        base, (true, answer) = knows_or_guesses(counts), cells[fold == number].T
        likelihood += [np.log(_smoothed(counts, base, smoothing)[true, answer]).sum() for smoothing in _SMOOTHING]
    return _SMOOTHING[int(likelihood.argmax())]


def _counts(cells: NDArray[np.int64], size: int) -> Floats:
    counts = np.zeros((size, size))
    np.add.at(counts, (cells[:, 0], cells[:, 1]), 1.0)
    return counts


def _smoothed(counts: Floats, base: Floats, smoothing: float) -> Floats:
    return np.asarray((counts + smoothing * base) / (counts.sum(1, keepdims=True) + smoothing))
