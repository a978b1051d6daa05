"""Half the credit: scores that look only at the boundaries, or only at the type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from hybridner.evaluation.metrics import PrecisionRecallF1
from hybridner.spans import Span


def score_boundaries(gold: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]]) -> PrecisionRecallF1:
    """Boundary-only scores: start and end have to be right, the label may be any.

    Spans that differ only in their label count once.

    Args:
        gold: gold spans of each text.
        predicted: predicted spans of each text, in the same order.

    Examples:
        >>> score_boundaries([[Span(0, 3, "State")]], [[Span(0, 3, "Place")]]).f1
        1.0
    """
    correct = total_predicted = total_gold = 0
    for truth, guess in zip(gold, predicted, strict=True):
        right, found = ({(span.start, span.end) for span in spans} for spans in (truth, guess))
        correct += len(right & found)
        total_gold, total_predicted = total_gold + len(right), total_predicted + len(found)
    return PrecisionRecallF1(correct, total_predicted, total_gold)


def score_types(gold: Sequence[Iterable[Span]], predicted: Sequence[Iterable[Span]]) -> PrecisionRecallF1:
    """Type-only scores: a prediction is right when it shares a character with a gold span of its label.

    Matched one to one: of two predictions that share characters with the same single gold span, one is right. The matching is the
    largest possible, so `correct` is never less than that of `score_spans`.

    Args:
        gold: gold spans of each text.
        predicted: predicted spans of each text, in the same order.

    Examples:
        >>> score_types([[Span(0, 3, "State")]], [[Span(0, 2, "State"), Span(2, 3, "State")]]).correct
        1
    """
    edges: list[tuple[int, int]] = []
    total_gold = total_predicted = 0
    for truth, guess in zip(gold, predicted, strict=True):
        truth, guess = set(truth), set(guess)
        edges += [
            (total_gold + row, total_predicted + column)
            for row, right in enumerate(truth)
            for column, found in enumerate(guess)
            if right.label == found.label and right.start < found.end and found.start < right.end
        ]
        total_gold, total_predicted = total_gold + len(truth), total_predicted + len(guess)
    return PrecisionRecallF1(_largest_matching(edges, total_gold, total_predicted), total_predicted, total_gold)


def _largest_matching(edges: Sequence[tuple[int, int]], rows: int, columns: int) -> int:
    if not edges:
        return 0
    row, column = np.array(edges).T
    graph = csr_array((np.ones(len(edges), dtype=np.int8), (row, column)), shape=(rows, columns))
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())
