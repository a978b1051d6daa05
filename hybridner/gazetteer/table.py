"""The terms of a gazetteer as an Arrow table: one row for each pair of a folded term and a label, sorted by the folded term.

A table of a million terms takes some 30 MB; as Python objects they would take ten times as much.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hybridner.data.terms import Term
from hybridner.errors import DataError
from hybridner.text.folding import fold

#: Stands between the words of `requires` in a cell.
BETWEEN = "|"

#: surface: as it was first written. label: number of the label from 1, or 0 for a blocked term. count: how often data has it with
#: this label. seen: how often it occurs in that data at all. listed: whether a list has it. requires: words of which one must
#: stand near it.
SCHEMA = pa.schema(
    [
        ("surface", pa.string()),
        ("label", pa.int16()),
        ("count", pa.int32()),
        ("seen", pa.int32()),
        ("listed", pa.bool_()),
        ("requires", pa.string()),
    ]
)


def terms_table(terms: Iterable[Term], labels: Sequence[str]) -> pa.Table:
    """The terms of lists. A term with a count was seen so often; of equal ones counts are added.

    Args:
        terms: any number of terms.
        labels: the K names.

    Raises:
        DataError: no term, or a label that is none of the K names.
    """
    number = {name: index for index, name in enumerate(labels, 1)}
    surfaces: list[str] = []
    numbers, counts = array("h"), array("q")
    needs: dict[tuple[str, int], set[str]] = {}
    for term in terms:
        if term.label and term.label not in number:
            raise DataError(f"the term {term.surface!r} has the label {term.label!r}; the labels are {', '.join(labels)}")
        label = number.get(term.label, 0)
        if term.requires:
            needs.setdefault((fold(term.surface), label), set()).update(term.requires)
        surfaces.append(term.surface)
        numbers.append(label)
        counts.append(term.count)
    if not surfaces:
        raise DataError("there is no term")
    keys = zip(map(fold, surfaces), numbers, strict=True)
    required = [BETWEEN.join(sorted(needs.get(key, ()))) for key in keys] if needs else ""
    return make_table(surfaces, numbers, counts, np.ones(len(surfaces), dtype=bool), required)


def make_table(
    surfaces: Sequence[str],
    labels: Sequence[int],
    counts: Sequence[int],
    listed: np.ndarray,
    requires: Sequence[str] | str = "",
) -> pa.Table:
    """One row for each pair of folded term and label; counts are added, and nothing has been seen yet."""
    table = pa.table(
        {
            "surface": pa.array(surfaces, pa.string()),
            "label": pa.array(labels, pa.int16()),
            "count": pa.array(counts, pa.int64()),
            "listed": pa.array(listed, pa.bool_()),
            "requires": pa.repeat(requires, len(surfaces)) if isinstance(requires, str) else pa.array(requires, pa.string()),
            "folded": pa.array(map(fold, surfaces), pa.string()),
        }
    )
    return merge_rows(table.append_column("seen", pa.repeat(pa.scalar(0, pa.int64()), len(surfaces))))


def merge_rows(table: pa.Table) -> pa.Table:
    """Rows of the same folded term and label made one, sorted."""
    grouped = table.group_by(["folded", "label"], use_threads=False).aggregate(
        [("surface", "first"), ("count", "sum"), ("seen", "max"), ("listed", "max"), ("requires", "first")]
    )
    grouped = grouped.sort_by([("folded", "ascending"), ("label", "ascending")])
    columns = {name.removesuffix("_first").removesuffix("_sum").removesuffix("_max"): name for name in grouped.column_names}
    return pa.table({field.name: grouped.column(columns[field.name]).cast(field.type) for field in SCHEMA}, SCHEMA)


def join_tables(first: pa.Table, second: pa.Table) -> pa.Table:
    """The terms of both."""
    both = pa.concat_tables([first, second])
    both = both.set_column(2, "count", pc.cast(both.column("count"), pa.int64()))
    return merge_rows(both.append_column("folded", folded(both)))


def folded(table: pa.Table) -> pa.Array:
    """[rows] the terms as texts are searched for them."""
    return pa.array((fold(surface.as_py()) for chunk in table.column("surface").chunks for surface in chunk), pa.string())


def number_patterns(words: pa.Array) -> np.ndarray:
    """[rows + 1] for each row of sorted words the number of its pattern: equal neighbours have the same; last, how many there
    are."""
    if not len(words):
        return np.zeros(1, dtype=np.int64)
    changes = pc.not_equal(words[1:], words[:-1]).to_numpy(zero_copy_only=False)
    numbers = np.concatenate([[0], np.cumsum(changes)])
    return np.concatenate([numbers, [numbers[-1] + 1]])
