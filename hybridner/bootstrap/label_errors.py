"""Likely errors among labels that nobody has checked, by confident learning (Northcutt et al., 2021) over candidate spans.

Members that never saw a label say how probable it is. Each class k has a threshold t_k, the mean probability of k where k is
the given label; a span counts as of another class than the given one when that class reaches its own threshold. So a class that
members are slow to believe in is not taken for full of errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hybridner.ensemble import Predictions
from hybridner.ensemble.ballot import Floats, Integers
from hybridner.spans import NON_ENTITY, Record, Span, Unsure

#: Probability of every entity type for a span that no member took into account.
_NEGLIGIBLE = 1e-3


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """A span whose given label is likely wrong.

    Attributes:
        record: number of its record.
        span: where it is, with the given label; "O" where it was no entity.
        likely: the label that members give it.
        weight: 0 to 1, P(given) / (P(given) + P(likely)) by the members.
    """

    record: int
    span: Span
    likely: str
    weight: float


@dataclass(frozen=True)
class JudgedLabels:
    """Every candidate and every given entity with what members that did not learn it say.

    Attributes:
        spans: [C, 3] record, start, end (exclusive); each once.
        given: [C] number of the given label, O is 0.
        probs: [C, K + 1] P(label | span), the mean over members.
        labels: the K + 1 names, O first.
    """

    spans: Integers
    given: Integers
    probs: Floats
    labels: tuple[str, ...]

    @classmethod
    def of(cls, predictions: Predictions) -> JudgedLabels:
        """From out-of-fold predictions; given entities that no member took into account are as good as O to them."""
        ballot = predictions.ballot
        known = {(row, start, end) for row, start, end in ballot.spans.tolist()}
        number = {name: index for index, name in enumerate(predictions.labels)}
        missing = [
            (row, span.start, span.end, number[span.label])
            for row, record in enumerate(predictions.records)
            for span in record.entities
            if (row, span.start, span.end) not in known
        ]
        extra = np.array(missing, dtype=np.int64).reshape(-1, 4)
        negligible = np.full((len(extra), len(number)), _NEGLIGIBLE)
        negligible[:, 0] = 1.0 - _NEGLIGIBLE * (len(number) - 1)
        return cls(
            np.concatenate([ballot.spans, extra[:, :3]]),
            np.concatenate([predictions.gold, extra[:, 3]]),
            np.concatenate([ballot.mean_probabilities, negligible]),
            predictions.labels,
        )

    @property
    def given_probs(self) -> Floats:
        """[C] how probable members find the given label."""
        return np.asarray(self.probs[np.arange(len(self.given)), self.given])

    def expected_errors(self, records: int) -> Floats:
        """[N] for each record how many of its labels members expect to be wrong."""
        return np.asarray(np.bincount(self.spans[:, 0], 1.0 - self.given_probs, records), dtype=np.float64)


def find_label_issues(judged: JudgedLabels) -> list[LabelIssue]:
    """The off-diagonal part of the confident joint, the most doubtful first."""
    given, probs = judged.given, judged.probs
    counts = np.bincount(given, minlength=probs.shape[1])
    sums = np.bincount(given, weights=judged.given_probs, minlength=probs.shape[1])
    # A class that is never given cannot be told from noise.
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = np.where(probs >= thresholds, probs, -1.0)
    likely = confident.argmax(axis=1)
    wrong = np.flatnonzero((confident.max(axis=1) > 0) & (likely != given))
    weights = judged.given_probs[wrong] / (judged.given_probs[wrong] + probs[wrong, likely[wrong]])
    return [
        LabelIssue(
            int(judged.spans[index, 0]),
            Span(int(judged.spans[index, 1]), int(judged.spans[index, 2]), judged.labels[given[index]]),
            judged.labels[likely[index]],
            float(weight),
        )
        for index, weight in sorted(zip(wrong, weights, strict=True), key=lambda pair: (pair[1], pair[0]))
    ]


def mark_unsure(records: Sequence[Record], issues: Iterable[LabelIssue]) -> list[Record]:
    """The records with every issue's span, and the given entities that it overlaps, as `Unsure`."""
    doubts: list[list[Unsure]] = [list(record.unsure) for record in records]
    for issue in issues:
        touched = [s for s in records[issue.record].entities if s.start < issue.span.end and issue.span.start < s.end]
        start = min((span.start for span in touched), default=issue.span.start)
        end = max((span.end for span in touched), default=issue.span.end)
        doubts[issue.record].append(Unsure(min(start, issue.span.start), max(end, issue.span.end), issue.weight))
    return [replace(record, unsure=merge_unsure(found)) for record, found in zip(records, doubts, strict=True)]


def merge_unsure(doubts: Iterable[Unsure]) -> tuple[Unsure, ...]:
    """Sorted, and those that overlap as one with the smallest weight."""
    merged: list[Unsure] = []
    for doubt in sorted(doubts):
        if merged and doubt.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = Unsure(last.start, max(last.end, doubt.end), min(last.weight, doubt.weight))
        else:
            merged.append(doubt)
    return tuple(merged)


def corrected(records: Sequence[Record], issues: Iterable[LabelIssue]) -> list[Record]:
    """The records as the members would have them: issues resolved their way, the most doubtful first, without overlap."""
    entities = [set(record.entities) for record in records]
    for issue in issues:
        found = entities[issue.record]
        new = Span(issue.span.start, issue.span.end, issue.likely)
        if issue.likely == NON_ENTITY:
            found.discard(issue.span)
        else:
            found.difference_update([s for s in found if s.start < new.end and new.start < s.end])
            found.add(new)
    return [replace(record, entities=tuple(sorted(found))) for record, found in zip(records, entities, strict=True)]
