"""What is in a gazetteer, where it contradicts itself, and how it does on labelled texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pyarrow as pa

from hybridner.gazetteer.building import sample_hits
from hybridner.gazetteer.gazetteer import Gazetteer
from hybridner.gazetteer.table import folded
from hybridner.spans import Record


@dataclass(frozen=True)
class Conflict:
    """A term under several labels, or blocked and not.

    Attributes:
        surface: the term.
        labels: how often data has it under each label; 0 where only a list has it. "blocked" for a blocked one.
    """

    surface: str
    labels: dict[str, int]


@dataclass(frozen=True)
class TermUse:
    """A term in labelled texts: how often it occurs, and how often as an entity of its label."""

    surface: str
    label: str
    hits: int
    right: int


@dataclass(frozen=True)
class LabelUse:
    """A label in labelled texts.

    Attributes:
        terms: how many the gazetteer has.
        hits: occurrences of these.
        right: those that are entities of this label.
        gold: entities of this label.
        chance: mean probability that the gazetteer gives its hits of being right.
    """

    terms: int
    hits: int
    right: int
    gold: int
    chance: float

    @property
    def precision(self) -> float:
        """Share of the hits that are right."""
        return self.right / self.hits if self.hits else 0.0

    @property
    def recall(self) -> float:
        """Share of the entities that are hits."""
        return self.right / self.gold if self.gold else 0.0


def find_conflicts(gazetteer: Gazetteer) -> list[Conflict]:
    """Terms under several labels, the most frequent ones first."""
    names = ("blocked", *gazetteer.labels)
    rows = zip(
        folded(gazetteer.table).to_pylist(),
        *(gazetteer.table.column(name).to_pylist() for name in ("surface", "label", "count")),
        strict=True,
    )
    found = []
    for _, same in groupby(rows, key=lambda row: row[0]):
        group = list(same)
        if len(group) > 1:
            found.append(Conflict(group[0][1], {names[label]: count for _, _, label, count in group}))
    return sorted(found, key=lambda conflict: -sum(conflict.labels.values()))


def measure_labels(gazetteer: Gazetteer, records: Sequence[Record]) -> dict[str, LabelUse]:
    """How the terms of each label do on labelled texts; no text counts with terms of its own document."""
    hits, gold = sample_hits(gazetteer, records)
    chances, right = gazetteer.reliability.chances(hits), gold == hits.labels
    terms = gazetteer.counts_by_label
    return {
        name: LabelUse(
            terms.get(name, 0),
            int(mine.sum()),
            int(right[mine].sum()),
            sum(span.label == name for record in records for span in record.entities),
            float(chances[mine].mean()) if mine.any() else 0.0,
        )
        for name, mine in ((name, hits.labels == number) for number, name in enumerate(gazetteer.labels, 1))
    }


def wrong_most_often(gazetteer: Gazetteer, records: Sequence[Record]) -> list[TermUse]:
    """Terms by how often labelled texts have them as something else than the gazetteer says, the worst first."""
    hits, gold = sample_hits(gazetteer, records)
    size = len(gazetteer)
    total = np.bincount(hits.terms, minlength=size)
    right = np.bincount(hits.terms, weights=gold == hits.labels, minlength=size).astype(np.int64)
    order = np.lexsort((np.arange(size), right - total))
    worst = order[(total > right)[order]]
    return list(_uses(gazetteer, worst, total, right))


def _uses(gazetteer: Gazetteer, rows: np.ndarray, total: np.ndarray, right: np.ndarray) -> Iterator[TermUse]:
    chosen = gazetteer.table.take(pa.array(rows))
    for row, surface, label in zip(
        rows.tolist(), chosen.column("surface").to_pylist(), chosen.column("label").to_pylist(), strict=True
    ):
        yield TermUse(surface, gazetteer.labels[label - 1], int(total[row]), int(right[row]))
