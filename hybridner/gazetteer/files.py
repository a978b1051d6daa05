"""Gazetteers from files of any kind, and as CSV for people to edit."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from hybridner.data.terms import Term, read_terms
from hybridner.errors import DataError
from hybridner.files import atomic_write
from hybridner.gazetteer.gazetteer import Gazetteer

#: The ending of what `Gazetteer.save` writes.
STORED = ".parquet"


def load_gazetteer(path: str | Path, labels: Sequence[str] | None = None, label: str | None = None) -> Gazetteer:
    """A gazetteer from what `Gazetteer.save` wrote, or from a list of terms.

    Args:
        path: a Parquet file, or a list that `hybridner.data.terms.read_terms` reads.
        labels: the K names; by default those of the file.
        label: of terms that have none in the file.

    Raises:
        DataError: the file cannot be read, or has a term with a label that is none of the K names.
    """
    if Path(path).suffix == STORED:
        gazetteer = Gazetteer.load(path)
        return gazetteer if labels is None else gazetteer.for_labels(labels)
    terms = list(read_terms(path, label))
    return Gazetteer.from_terms(terms, labels or labels_of(terms))


def labels_of(terms: Sequence[Term]) -> tuple[str, ...]:
    """The labels of terms, sorted.

    Raises:
        DataError: all terms are blocked.
    """
    names = tuple(sorted({term.label for term in terms if term.label}))
    if not names:
        raise DataError("there is no term with a label")
    return names


def write_csv(gazetteer: Gazetteer, path: str | Path) -> None:
    """The terms as CSV, which `read_terms` reads: term, label, count, seen, requires, blocked."""
    with atomic_write(path) as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("term", "label", "count", "seen", "requires", "blocked"))
        writer.writerows(_rows(gazetteer))


def _rows(gazetteer: Gazetteer) -> Iterator[tuple[str, str, int, int, str, str]]:
    for batch in gazetteer.table.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            label = gazetteer.labels[row["label"] - 1] if row["label"] else ""
            yield row["surface"], label, row["count"], row["seen"], row["requires"], "" if label else "true"
