"""Entities as Arrow: one type for `datasets.map`, Ray Data and the shards of a bulk job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

#: What an LLM adds to an entity; see `hybridner.hybrid.entity_dicts.verified_entity`.
_OF_LLM = (
    *((name, pa.string()) for name in ("local_label", "llm_label", "member_label", "llm_status", "llm_model", "fusion")),
    *(("llm_error", pa.string()), ("llm_failure", pa.string())),
    *(("llm_score", pa.float32()), ("llm_features", pa.list_(pa.string()))),
)


def entities_type(members: Sequence[str], llm: bool, contradictions: bool = False) -> pa.DataType:
    """The type of a text's entities: a list of structs; `votes` has a field for each member, null where it cannot judge. With
    `contradictions` there is what an entity breaks of an ontology's rules, as `consistent_with` of the pipeline finds it."""
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
                ("error_probability", pa.float32()),
                ("ood_score", pa.float32()),
                # Parquet knows no struct without fields.
                *([("votes", pa.struct([(name, pa.string()) for name in members]))] if members else []),
                *(_OF_LLM if llm else ()),
                *([("contradictions", pa.list_(pa.string()))] if contradictions else []),
            ]
        )
    )


def entities_array(results: Sequence[Sequence[dict[str, Any]] | None], kind: pa.DataType) -> pa.Array:
    """The pipeline's entities of each text (None where there was no text) as an array of `entities_type`."""
    rows = [None if found is None else [_renamed(entity) for entity in found] for found in results]
    return pa.array(rows, kind)


def _renamed(entity: dict[str, Any]) -> dict[str, Any]:
    return {**entity, "label": entity["entity_group"]}
