"""The tables of a bulk job's shards."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from hybridner.annotation.records import Item


def shard_table(source: str, items: Sequence[Item], ood_scores: Sequence[float | None], entities: pa.Array) -> pa.Table:
    """One row a text: id, source, offset, text, ood_score (null where the model gives none), entities.

    `hybridner.data.read_records` reads it as labelled data.
    """
    return pa.table(
        {
            "id": pa.array([item.id for item in items], pa.string()),
            "source": pa.array([source] * len(items), pa.string()),
            "offset": pa.array([item.offset for item in items], pa.int64()),
            "text": pa.array([item.text for item in items], pa.string()),
            "ood_score": pa.array(ood_scores, pa.float32()),
            "entities": entities,
        }
    )
