"""The common schema of prepared data: ``id, text, entities`` and, where a data set has them, ``relations``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hybridner.data.corpora.plans import Plan
from hybridner.data.formats.markup import Sentence

if TYPE_CHECKING:
    from datasets import Features


def make_features(plan: Plan) -> Features:
    """The `datasets` features of a plan's rows."""
    from datasets import ClassLabel, Features, List, Value

    columns: dict[str, Any] = {
        "id": Value("string"),
        "text": Value("string"),
        "entities": List({"start": Value("int32"), "end": Value("int32"), "label": ClassLabel(names=list(plan.labels.names))}),
    }
    if plan.relations:
        kinds = ClassLabel(names=list(plan.relations))
        columns["relations"] = List({"head": Value("int32"), "tail": Value("int32"), "type": kinds})
    return Features(columns)


def iter_rows(plan: Plan, split: str) -> Iterator[dict[str, Any]]:
    """The rows of one split; label and relation names as their numbers in the features."""
    labels = {name: number for number, name in enumerate(plan.labels.names)}
    relations = {name: number for number, name in enumerate(plan.relations)}
    for sentence in plan.splits[split]:
        yield _row(sentence, labels, relations)


def _row(sentence: Sentence, labels: dict[str, int], relations: dict[str, int]) -> dict[str, Any]:
    record = sentence.record
    entities = [{"start": span.start, "end": span.end, "label": labels[span.label]} for span in record.entities]
    row: dict[str, Any] = {"id": record.id, "text": record.text, "entities": entities}
    if relations:
        row["relations"] = [{"head": r.head, "tail": r.tail, "type": relations[r.type]} for r in sentence.relations]
    return row
