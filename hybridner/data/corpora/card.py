"""The card of a prepared data set, made of what was counted while it was written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from hybridner.data.corpora.plans import Plan
from hybridner.data.repairs import RULES, RepairLog

TEMPLATE = Path(__file__).with_name("dataset_card.md.j2")
CARD_FILE = "README.md"
#: Stands for the data set in a card that was made before it was known where its readers will find it.
SOMEWHERE = "FOLDER-OR-HUB-ID"

_OPEN = {"CC-BY-4.0": "cc-by-4.0"}
#: The Hub's classes of size: up to so many records.
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}


@dataclass
class SplitCounts:
    """What was counted of a split; lengths are in characters.

    Attributes:
        empty: records without an entity.
    """

    records: int = 0
    entities: int = 0
    empty: int = 0
    longest_text: int = 0
    longest_entity: int = 0
    labels: Counter[int] = field(default_factory=Counter)

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count rows in the common schema."""
        for row in rows:
            found = row["entities"]
            self.records += 1
            self.entities += len(found)
            self.empty += not found
            self.longest_text = max(self.longest_text, len(row["text"]))
            for entity in found:
                self.longest_entity = max(self.longest_entity, entity["end"] - entity["start"])
                self.labels[entity["label"]] += 1


def make_card(name: str, variant: str, plan: Plan, splits: Mapping[str, SplitCounts], repairs: RepairLog) -> DatasetCard:
    """The card of what `prepare` wrote; its metadata are checked by huggingface_hub."""
    source = plan.about
    licence = _OPEN.get(source.license) if source else None
    records = sum(counts.records for counts in splits.values())
    title = source.title if source else name
    metadata = DatasetCardData(
        language="zh",
        license=licence or "other",
        pretty_name=title,
        size_categories=next((size for limit, size in _SIZES.items() if records < limit), "1M<n<10M"),
        task_categories=["token-classification"],
        task_ids=["named-entity-recognition"],
        tags=["named-entity-recognition", "chinese"],
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits],
            }
        ],
    )
    content: dict[str, Any] = {
        "title": title,
        "domain": plan.labels.domain,
        "name": name,
        "variant": variant,
        "place": SOMEWHERE,
        "records": records,
        "entities": sum(counts.entities for counts in splits.values()),
        "relations": plan.relations,
        "splits": [{"name": split, **vars(counts)} for split, counts in splits.items()],
        "labels": [
            {
                "name": label.name,
                "title": _cell(label.title),
                "description": _cell(label.description),
                "counts": [counts.labels[number] for counts in splits.values()],
            }
            for number, label in enumerate(plan.labels.labels)
        ],
        "repairs": [f"{rule}: {count:,} ({RULES[rule].done})" for rule, count in repairs.counts.items()],
        "homepage": source.homepage if source else "",
        "origin": source.origin if source else "Files of the maker's own.",
        "limits": source.limits if source else (),
        "licence": f"Licence: {source.license}" if source else "",
        "licence_known": licence is not None,
        "citation": source.citation if source else "",
    }
    return DatasetCard(str(DatasetCard.from_template(metadata, template_path=str(TEMPLATE), **content)).rstrip() + "\n")


def fill_repo_id(card: str, repo_id: str) -> str:
    """A card whose example says where the data set is."""
    return card.replace(SOMEWHERE, repo_id)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
