"""The best set of spans out of many candidates: flat (no overlap) or nested (no crossing), both exact.

With weights ln P(label | span) - ln P(O | span), the set of the largest total weight is the most probable one under
the rule. A span of weight 0 or less is never worth taking.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

Interval = tuple[int, int]


def best_flat(spans: Sequence[Interval], weights: Sequence[float]) -> list[int]:
    """Indices of the non-overlapping spans of the largest total weight, in text order.

    Weighted interval scheduling by dynamic programming: O(n log n). Of equal totals the set that was reached with fewer
    spans first in text order wins, so that the result does not depend on the order of the input.

    Args:
        spans: n pairs [start, end) in characters.
        weights: n finite numbers; only positive ones can be chosen.

    Examples:
        >>> best_flat([(0, 3), (2, 5), (4, 7)], [1.0, 1.5, 1.0])
        [0, 2]
    """
    order = sorted((i for i in range(len(spans)) if weights[i] > 0), key=lambda i: (spans[i][1], spans[i][0], i))
    ends = [spans[i][1] for i in order]
    best = [0.0]
    taken: list[bool] = []
    for rank, i in enumerate(order):
        before = bisect_right(ends, spans[i][0], 0, rank)
        with_it = best[before] + weights[i]
        taken.append(with_it > best[-1])
        best.append(max(with_it, best[-1]))
    chosen: list[int] = []
    rank = len(order)
    while rank:
        if taken[rank - 1]:
            chosen.append(order[rank - 1])
            rank = bisect_right(ends, spans[order[rank - 1]][0], 0, rank - 1)
        else:
            rank -= 1
    return chosen[::-1]


def best_nested(spans: Sequence[Interval], weights: Sequence[float]) -> list[int]:
    """Indices of the spans of the largest total weight among which none cross; nesting is allowed.

    Two spans cross when they overlap and neither holds the other. Dynamic programming over the end points of each
    connected group of overlapping spans; cubic in the number of end points of a group, and groups are small.

    Args:
        spans: n pairs [start, end) in characters.
        weights: n finite numbers; only positive ones can be chosen.

    Examples:
        >>> best_nested([(0, 5), (0, 2), (1, 6)], [1.0, 1.0, 1.5])
        [0, 1]
    """
    order = sorted((i for i in range(len(spans)) if weights[i] > 0), key=lambda i: (spans[i][0], -spans[i][1], i))
    chosen: list[int] = []
    group: list[int] = []
    reach = -1
    for i in order:
        if spans[i][0] >= reach and group:
            chosen += _best_nested_group(group, spans, weights)
            group = []
        group.append(i)
        reach = max(reach, spans[i][1])
    if group:
        chosen += _best_nested_group(group, spans, weights)
    return sorted(chosen, key=lambda i: (spans[i][0], -spans[i][1]))


def _best_nested_group(group: list[int], spans: Sequence[Interval], weights: Sequence[float]) -> list[int]:
    if not _any_crossing([spans[i] for i in group]):
        return group
    points = sorted({point for i in group for point in spans[i]})
    rank = {point: r for r, point in enumerate(points)}
    at: dict[Interval, int] = {(rank[spans[i][0]], rank[spans[i][1]]): i for i in group}
    size = len(points)
    total = [[0.0] * size for _ in range(size)]
    split = [[-1] * size for _ in range(size)]
    for width in range(1, size):
        for low in range(size - width):
            high = low + width
            for middle in range(low + 1, high):
                value = total[low][middle] + total[middle][high]
                if value > total[low][high]:
                    total[low][high], split[low][high] = value, middle
            if (low, high) in at:
                total[low][high] += weights[at[low, high]]
    chosen: list[int] = []
    stack = [(0, size - 1)]
    while stack:
        low, high = stack.pop()
        if (low, high) in at:
            chosen.append(at[low, high])
        if split[low][high] >= 0:
            stack += [(low, split[low][high]), (split[low][high], high)]
    return chosen


def _any_crossing(spans: Sequence[Interval]) -> bool:
    """Whether any two of the spans cross; `spans` sorted by start, longer first."""
    open_ends: list[int] = []
    for start, end in spans:
        while open_ends and open_ends[-1] <= start:
            open_ends.pop()
        if open_ends and end > open_ends[-1]:
            return True
        open_ends.append(end)
    return False


Resolver = Callable[[Sequence[Interval], Sequence[float]], list[int]]

RESOLVERS: dict[str, Resolver] = {"flat": best_flat, "nested": best_nested}
"""The two decodings by the name users give them: "flat" (no overlap) and "nested" (no crossing)."""
