"""Precision, recall and F1 over sets of labelled spans: an entity counts when start, end and label are all right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hybridner.spans import Span


@dataclass(frozen=True)
class PrecisionRecallF1:
    """Counts and what follows from them (section 2.1.2): P = correct / predicted, R = correct / gold, F1 = 2PR / (P + R).
    Ratios lie in 0..1 and are 0 where nothing was to be counted.

    Attributes:
        correct: predicted spans that are gold.
        predicted: all predicted spans.
        gold: all gold spans (the support).

    Examples:
        >>> scores = PrecisionRecallF1(correct=3, predicted=4, gold=6)
        >>> scores.precision, scores.recall, scores.f1
        (0.75, 0.5, 0.6)
    """

    correct: int
    predicted: int
    gold: int

    @property
    def precision(self) -> float:
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        total = self.predicted + self.gold
        return 2 * self.correct / total if total else 0.0

    def to_dict(self) -> dict[str, float]:
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "correct": self.correct,
            "predicted": self.predicted,
            "gold": self.gold,
        }


@dataclass(frozen=True)
class SpanScores:
    """Scores over all spans and for each label.

    Attributes:
        micro: counts over all labels together (micro-averaged).
        per_label: the same for each label, sorted by label.

    Examples:
        >>> scores = score_spans([[Span(0, 3, "State"), Span(6, 9, "System")]], [[Span(0, 3, "State")]])
        >>> scores.per_label["System"].recall, scores.macro_f1
        (0.0, 0.5)
    """

    micro: PrecisionRecallF1
    per_label: dict[str, PrecisionRecallF1]

    @property
    def macro_precision(self) -> float:
        """Mean precision over the labels that occur in gold."""
        return self._macro("precision")

    @property
    def macro_recall(self) -> float:
        """Mean recall over the labels that occur in gold."""
        return self._macro("recall")

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the labels that occur in gold."""
        return self._macro("f1")

    def _macro(self, ratio: str) -> float:
        values = [getattr(prf, ratio) for prf in self.per_label.values() if prf.gold]
        return sum(values) / len(values) if values else 0.0

    def to_dict(self) -> dict[str, object]:
        return {
            "micro": self.micro.to_dict(),
            "macro_precision": self.macro_precision,
            "macro_recall": self.macro_recall,
            "macro_f1": self.macro_f1,
            "per_label": {label: prf.to_dict() for label, prf in self.per_label.items()},
        }


def score_spans(gold: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]]) -> SpanScores:
    """Compare predictions with gold, text by text (section 2.1.2): a span is right when start, end and label are. Nested spans
    are fine, the same span twice counts once.

    Args:
        gold, predicted: one collection of spans per text, in the same order.

    Raises:
        ValueError: a different number of texts.

    Examples:
        >>> scores = score_spans([[Span(0, 3, "State")]], [[Span(0, 3, "State"), Span(6, 9, "State")]])
        >>> scores.micro.precision, scores.micro.recall
        (0.5, 1.0)
    """
    counts: dict[str, list[int]] = {}
    for truth, guess in zip(gold, predicted, strict=True):
        truth, guess = set(truth), set(guess)
        for column, spans in enumerate((truth & guess, guess, truth)):
            for span in spans:
                counts.setdefault(span.label, [0, 0, 0])[column] += 1
    per_label = {label: PrecisionRecallF1(*counts[label]) for label in sorted(counts)}
    columns = zip(*counts.values(), strict=True) if counts else ((), (), ())
    return SpanScores(PrecisionRecallF1(*(sum(column) for column in columns)), per_label)


def text_counts(gold: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]]) -> np.ndarray:
    """[texts, 3] whole numbers: correct, predicted and gold spans of each text; what resampling works on.

    Args:
        gold: gold spans of each text.
        predicted: predicted spans of each text, in the same order.

    Raises:
        ValueError: a different number of texts.

    Examples:
        >>> text_counts([[Span(0, 3, "State")], []], [[Span(0, 2, "State")], []]).tolist()
        [[0, 1, 1], [0, 0, 0]]
    """
    pairs = [(set(truth), set(guess)) for truth, guess in zip(gold, predicted, strict=True)]
    return np.array([(len(truth & guess), len(guess), len(truth)) for truth, guess in pairs], dtype=np.int64).reshape(-1, 3)
