"""What a composite finds in texts, kept in a file so that they are read once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hybridner import HybridNerModel
from hybridner.files import write_json


@dataclass(frozen=True)
class FoundEntity:
    """An entity with all that is said about how sure it is; `disagreement` is the share of members that voted otherwise."""

    start: int
    end: int
    label: str
    score: float
    uncertainty: float
    disagreement: float
    error_probability: float
    ood_score: float


@dataclass(frozen=True)
class FoundText:
    """A text's `ood_score` and entities."""

    ood_score: float
    entities: tuple[FoundEntity, ...]


def find(model: HybridNerModel, texts: Sequence[str], cache: Path) -> list[FoundText]:
    """Read texts with a calibrated composite that has an `ood_score`, or what was kept of it."""
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_json(cache, [asdict(found) for found in _read(model, texts)])
    kept = json.loads(cache.read_text(encoding="utf-8"))
    return [FoundText(row["ood_score"], tuple(FoundEntity(**entity) for entity in row["entities"])) for row in kept]


def _read(model: HybridNerModel, texts: Sequence[str]) -> list[FoundText]:
    rows = []
    for prediction in model.predict(texts):
        entities = []
        for c in prediction.entities:
            assert c.error_probability is not None
            assert c.ood_score is not None
            against = sum(vote != c.label for vote in c.votes.values()) / max(len(c.votes), 1)
            said = (c.score, c.uncertainty, against, c.error_probability, c.ood_score)
            entities.append(FoundEntity(c.start, c.end, c.label, *said))
        assert prediction.ood_score is not None
        rows.append(FoundText(prediction.ood_score, tuple(entities)))
    return rows
