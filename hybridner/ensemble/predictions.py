"""The members' votes and scores for the records of a data set: what weights, temperatures and thresholds are fitted on.

Stored as Parquet, one row a record, so that it can be read with `datasets`, pandas or DuckDB as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hybridner.ensemble.ballot import ABSTAIN, Ballot, Integers, merge_ballots
from hybridner.errors import DataError
from hybridner.files import atomic_write
from hybridner.spans import Record, Span

_METADATA = b"hybridner"


@dataclass(frozen=True)
class Predictions:
    """Records with the ballot of their candidate spans.

    Attributes:
        records: N labelled records.
        ballot: all their candidates, with SpanNER's scores as they are; `ballot.spans[:, 0]` is the number of the record.
        labels: the K + 1 names, O first.
        members: the m member names in the order of the ballot.
        folds: [N] for each record the fold in which it was held out, so that no member that speaks about it was trained on it; -1
            where the members never had anything to do with the whole set.
        about: where the predictions come from (data, encoder, seed, ...), as JSON can hold it.

    Examples:
        >>> predictions.members, predictions.labels, len(predictions)
        (('a', 'b', 'c', 'spanner'), ('O', 'LOC', 'ORG', 'PER'), 60)
        >>> predictions.save("predictions.parquet")
        >>> Predictions.load("predictions.parquet").ballot.votes.shape
        (4, 120)
    """

    records: tuple[Record, ...]
    ballot: Ballot
    labels: tuple[str, ...]
    members: tuple[str, ...]
    folds: Integers
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def gold(self) -> Integers:
        """[C] the true label's number of each candidate: O unless gold has exactly this span.

        Raises:
            DataError: a record has a label that the members do not know.
        """
        number = {name: index for index, name in enumerate(self.labels)}
        known: dict[tuple[int, int, int], int] = {}
        for row, record in enumerate(self.records):
            for span in record.entities:
                if span.label not in number:
                    raise DataError(
                        f"label {span.label!r} of {record.text[span.start : span.end]!r} is none of the model's: "
                        f"{', '.join(self.labels[1:])}; rename it with a label map, or take it out",
                        f"record {record.id or row}",
                    )
                known[row, span.start, span.end] = number[span.label]
        spans = self.ballot.spans.tolist()
        return np.fromiter((known.get((row, start, end), 0) for row, start, end in spans), np.int64, len(spans))

    def select_records(self, rows: Sequence[int] | Integers) -> Predictions:
        """Only these records, in this order."""
        index = np.asarray(rows, dtype=np.int64)
        return Predictions(
            tuple(self.records[row] for row in index),
            self.ballot.select_texts(index),
            self.labels,
            self.members,
            self.folds[index],
            self.about,
        )

    def reorder_labels(self, labels: Sequence[str]) -> Predictions:
        """The same with the labels in another order, O still first: other trainings of a set may number its types otherwise.

        Raises:
            DataError: other labels than these.
        """
        if tuple(labels) == self.labels:
            return self
        if sorted(labels) != sorted(self.labels) or labels[0] != self.labels[0]:
            missing, strange = set(self.labels) - set(labels), set(labels) - set(self.labels)
            raise DataError(
                "predictions over other labels"
                + (f"; only one side has {', '.join(sorted(missing | strange))}" if missing | strange else "")
            )
        old = [self.labels.index(label) for label in labels]
        new = np.argsort(old)
        ballot = self.ballot
        votes = np.where(ballot.votes == ABSTAIN, ABSTAIN, new[ballot.votes])
        moved = replace(ballot, votes=votes, logits=ballot.logits[:, old], probabilities=ballot.probabilities[:, :, old])
        return replace(self, ballot=moved, labels=tuple(labels))

    def save(self, path: str | Path) -> None:
        """Write a Parquet file; it appears under its name only when it is whole."""
        borders = np.searchsorted(self.ballot.spans[:, 0], np.arange(len(self) + 1))

        def per_record(values: np.ndarray, kind: pa.DataType) -> pa.Array:
            flat = pa.array(np.ascontiguousarray(values).reshape(-1), kind)
            inner = flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
            return pa.ListArray.from_arrays(pa.array(borders, pa.int32()), inner)

        ballot = self.ballot
        table = pa.table(
            {
                "id": [record.id for record in self.records],
                "group": [record.group for record in self.records],
                "text": [record.text for record in self.records],
                "entities": pa.array([[s._asdict() for s in record.entities] for record in self.records], _ENTITIES),
                "fold": pa.array(self.folds, pa.int32()),
                "start": per_record(ballot.spans[:, 1], pa.int32()),
                "end": per_record(ballot.spans[:, 2], pa.int32()),
                "votes": per_record(ballot.votes.T, pa.int16()),
                "logits": per_record(ballot.logits, pa.float32()),
                "probabilities": per_record(np.concatenate(ballot.probabilities, axis=1), pa.float32()),
            }
        )
        content = {"labels": self.labels, "members": self.members, "scorer": ballot.scorer, "about": self.about}
        metadata = {_METADATA: json.dumps(content, ensure_ascii=False).encode()}
        with atomic_write(path) as unfinished:
            pq.write_table(table.replace_schema_metadata(metadata), unfinished)

    @staticmethod
    def stored_in(path: str | Path) -> bool:
        """Whether a Parquet file holds predictions, and not records alone; a damaged one holds none."""
        try:
            return _METADATA in (pq.read_schema(path).metadata or {})
        except (OSError, pa.ArrowException):
            return False

    @classmethod
    def load(cls, path: str | Path) -> Predictions:
        """Read what `save` wrote.

        Raises:
            DataError: the file is missing, no Parquet, or does not hold predictions.
        """
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"cannot be read as Parquet: {error}", str(path)) from error
        metadata = (table.schema.metadata or {}).get(_METADATA)
        if metadata is None:
            raise DataError("this Parquet file holds no predictions; `hybridner crossval` makes one", str(path))
        try:
            return cls._of_table(table, json.loads(metadata))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, pa.ArrowException) as error:
            raise DataError(f"holds predictions that are damaged ({error!r}); make them again", str(path)) from error

    @classmethod
    def _of_table(cls, table: pa.Table, content: Mapping[str, Any]) -> Predictions:
        columns = {name: table.column(name).combine_chunks() for name in table.column_names}
        counts = np.diff(columns["start"].offsets.to_numpy())

        def flat(name: str, kind: type) -> np.ndarray:
            values = columns[name].flatten()
            if isinstance(values, pa.FixedSizeListArray):
                return np.asarray(values.flatten().to_numpy().astype(kind).reshape(len(values), values.type.list_size))
            return np.asarray(values.to_numpy().astype(kind))

        rows = np.repeat(np.arange(len(counts)), counts)
        labels, members = tuple(content["labels"]), tuple(content["members"])
        probabilities = flat("probabilities", np.float64).reshape(len(rows), len(members), len(labels)).transpose(1, 0, 2)
        ballot = Ballot(
            np.stack([rows, flat("start", np.int64), flat("end", np.int64)], axis=1),
            flat("votes", np.int64).T,
            flat("logits", np.float64),
            probabilities,
            content["scorer"],
        )
        records = tuple(
            Record(row["text"], tuple(Span(**entity) for entity in row["entities"]), row["id"], row["group"])
            for row in table.select(["id", "group", "text", "entities"]).to_pylist()
        )
        return cls(records, ballot, labels, members, columns["fold"].to_numpy().astype(np.int64), content["about"])


_ENTITIES = pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32()), ("label", pa.string())]))


def concat_predictions(parts: Sequence[Predictions]) -> Predictions:
    """All records of the parts, one part after the other; members and labels must be the same.

    Args:
        parts: at least one.

    Raises:
        DataError: no part, or parts that do not go together.

    Examples:
        >>> len(concat_predictions([predictions, predictions]).records)
        120
    """
    if not parts:
        raise DataError("no predictions to put together")
    first = parts[0]
    for part in parts:
        if (part.labels, part.members) != (first.labels, first.members):
            raise DataError(
                f"predictions of {part.members} over {part.labels} do not go with {first.members} over {first.labels}"
            )
    borders = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    ballot = merge_ballots([part.ballot for part in parts], [range(a, b) for a, b in pairwise(borders)])
    return Predictions(
        tuple(record for part in parts for record in part.records),
        ballot,
        first.labels,
        first.members,
        np.concatenate([part.folds for part in parts]),
        first.about,
    )
