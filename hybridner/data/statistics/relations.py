"""What relations a data set has, and between which entity types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hybridner.data.relations import LabelledRelation


@dataclass(frozen=True)
class RelationStats:
    """One relation in one split.

    Attributes:
        relations: how often it occurs.
        records: in how many texts.
        pairs: how often it leads from one entity type to another ("HEAD → TAIL"), the most frequent first.
    """

    relations: int
    records: int
    pairs: dict[str, int]


def describe_relations(relations: Iterable[LabelledRelation]) -> dict[str, RelationStats]:
    """The relations of a split by their type, the most frequent first."""
    pairs: dict[str, Counter[str]] = {}
    records: dict[str, set[str]] = {}
    for relation in relations:
        pairs.setdefault(relation.type, Counter())[f"{relation.head.label} → {relation.tail.label}"] += 1
        records.setdefault(relation.type, set()).add(relation.record)
    order = sorted(pairs, key=lambda type_: (-pairs[type_].total(), type_))
    return {type_: RelationStats(pairs[type_].total(), len(records[type_]), dict(pairs[type_].most_common())) for type_ in order}


def format_relations(split: str, relations: Mapping[str, RelationStats]) -> str:
    """A table in Markdown; nothing where there are no relations."""
    if not relations:
        return ""
    total = sum(one.relations for one in relations.values())
    lines = [f"## {split}: {total:,} relations", "", "| relation | count | texts | between |", "|---|---|---|---|"]
    for type_, one in relations.items():
        between = ", ".join(f"{pair} {count:,}" for pair, count in one.pairs.items())
        lines.append(f"| {type_} | {one.relations:,} | {one.records:,} | {between} |")
    return "\n".join([*lines, "", ""])
