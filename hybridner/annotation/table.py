"""Entities as Arrow: one type for the shards of a bulk job, for `datasets.map` and for Ray Data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from hybridner.annotation.records import Item

#: What an LLM adds to an entity; see `hybridner.hybrid.entity_dicts.verified_entity`.
_OF_LLM = ("local_label", "llm_label", "llm_status", "llm_model", "fusion", "llm_error", "llm_failure")


def entities_type(members: Sequence[str], llm: bool) -> pa.DataType:
    """The type of a text's entities: a list of structs; `votes` has a field for each member, null where it cannot judge."""
    return pa.list_(
        pa.struct(
            [
                ("start", pa.int32()),
                ("end", pa.int32()),
                ("label", pa.string()),
                ("word", pa.string()),
                ("score", pa.float32()),
                ("uncertainty", pa.float32()),
                ("source", pa.string()),
                ("needs_review", pa.bool_()),
                ("votes", pa.struct([(name, pa.string()) for name in members])),
                *((name, pa.string()) for name in (_OF_LLM if llm else ())),
            ]
        )
    )


def entities_array(results: Sequence[Sequence[dict[str, Any]] | None], kind: pa.DataType) -> pa.Array:
    """The pipeline's entities of each text (None where there was no text) as an array of `entities_type`."""
    rows = [None if found is None else [_renamed(entity) for entity in found] for found in results]
    return pa.array(rows, kind)


def _renamed(entity: dict[str, Any]) -> dict[str, Any]:
    return {**entity, "label": entity["entity_group"]}


def shard_table(source: str, items: Sequence[Item], entities: pa.Array) -> pa.Table:
    """One row a text: id, source, offset, text, entities. `hybridner.data.read_records` reads it as labelled data."""
    return pa.table(
        {
            "id": pa.array([item.id for item in items], pa.string()),
            "source": pa.array([source] * len(items), pa.string()),
            "offset": pa.array([item.offset for item in items], pa.int64()),
            "text": pa.array([item.text for item in items], pa.string()),
            "entities": entities,
        }
    )
