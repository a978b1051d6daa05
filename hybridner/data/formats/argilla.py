"""Argilla: records with `fields`, `suggestions` and `responses` (version 2), flat rows of its datasets, and version 1.

The span question may have any name. Records without a submitted response are left out and counted. Predictions are written as
suggestions, with a score for each span.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hybridner.data.formats.base import BY_HAND, AnnotatedRecord, Conventions, Format, JsonObject, RawEntity, RawRecord
from hybridner.data.formats.json_fields import Annotations, as_list, find_only_text, find_text, raw_entities
from hybridner.data.formats.json_records import find_id, json_reader, write_array
from hybridner.data.options import ReadOptions
from hybridner.data.repairs import RepairLog

QUESTION, FIELD, _AGENT = "entities", "text", "hybridner"
#: A response must have a user.
_NOBODY = "00000000-0000-0000-0000-000000000000"


def _parse(item: JsonObject, where: str, id: str, options: ReadOptions) -> RawRecord | None:
    proposed = _entities(_suggested(item), f"{where}, suggestions")
    if options.predictions:
        entities = proposed
    else:
        answers = list(_answers(item))
        status = str(item.get("status") or "").lower()
        kept = [value for value, state in answers if state in ("", "submitted", "validated")]
        if not kept:
            discarded = status == "discarded" or any(state == "discarded" for _, state in answers)
            options.repairs.add("rejected_task" if discarded else "unlabeled_task", where)
            return None
        if any(value != kept[0] for value in kept[1:]):
            options.repairs.add("several_annotations", where)
        entities = [entity._replace(score=None) for entity in _entities(kept[-1], where) or ()]
    if entities is None:
        return None
    metadata = item["metadata"] if isinstance(item.get("metadata"), dict) else {}
    fields = item.get("fields")
    text = find_only_text(fields, where, options) if isinstance(fields, dict) else find_text(item, where, options)
    group, proposed = str(metadata.get("group") or ""), None if options.predictions else proposed
    return RawRecord(text, entities, where, find_id(item, id), group, proposed)


def _answers(item: JsonObject) -> Iterator[tuple[Any, str]]:
    """(value, status) of everything that people said about spans."""
    if item.get("annotation") is not None or "prediction" in item:  # version 1
        if item.get("annotation") is not None:
            yield item["annotation"], str(item.get("status") or "").lower()
        return
    responses = item.get("responses")
    if isinstance(responses, dict):
        for answers in responses.values():
            for answer in answers if isinstance(answers, list) else []:
                if isinstance(answer, dict) and _is_spans(answer.get("value")):
                    yield answer["value"], str(answer.get("status") or "").lower()
    elif isinstance(responses, list):
        for response in responses:
            values = response.get("values") if isinstance(response, dict) else None
            for answer in values.values() if isinstance(values, dict) else ():
                if isinstance(answer, dict) and _is_spans(answer.get("value")):
                    yield answer["value"], str(response.get("status") or "").lower()
    for field, values in item.items():
        if field.endswith(".responses") and isinstance(values, list):
            states = item.get(f"{field}.status")
            for number, value in enumerate(values):
                if _is_spans(value):
                    state = states[number] if isinstance(states, list) and number < len(states) else ""
                    yield value, str(state or "").lower()


def _suggested(item: JsonObject) -> Any:
    """The spans that a model suggested, with their scores where they have some; None where there are none."""
    if item.get("prediction") is not None:
        return item["prediction"]
    suggestions = item.get("suggestions")
    found: list[JsonObject] = []
    if isinstance(suggestions, dict):
        found = [one for one in suggestions.values() if isinstance(one, dict)]
    elif isinstance(suggestions, list):
        found = [one for one in suggestions if isinstance(one, dict)]
    found += [
        {"value": value, "score": item.get(f"{field}.score")} for field, value in item.items() if field.endswith(".suggestion")
    ]
    one = next((one for one in found if _is_spans(one.get("value"))), None)
    if one is None:
        return None
    scores, value = one.get("score"), one["value"]
    if isinstance(scores, list) and len(scores) == len(value):
        return [{**span, "score": score} if isinstance(span, dict) else span for span, score in zip(value, scores, strict=True)]
    return value


def _is_spans(value: Any) -> bool:
    """Whether this is an answer to a span question: a list of spans, which may be empty."""
    return isinstance(value, list) and all(isinstance(span, dict) and {"start", "end", "label"} <= span.keys() for span in value)


def _entities(value: Any, where: str) -> list[RawEntity] | None:
    if value is None:
        return None
    spans = as_list(value, "value", where)
    label_first = bool(spans) and isinstance(spans[0], list)
    return list(raw_entities(Annotations("", "label-first lists" if label_first else "objects", spans), where))


def _recognize(item: JsonObject) -> str:
    if isinstance(item.get("fields"), dict) and any(key in item for key in ("responses", "suggestions")):
        return "its objects have `fields` with `responses` or `suggestions`"
    flat = next((field for field in item if field.endswith((".responses", ".suggestion"))), "")
    if flat:
        return f"its objects have the field `{flat}`"
    if "prediction" in item and "annotation" in item:
        return "its objects have `prediction` and `annotation`, as in version 1"
    return ""


def _items(records: Iterable[AnnotatedRecord], predictions: bool) -> Iterator[JsonObject]:
    for annotated in records:
        record = annotated.record
        value = [{"start": span.start, "end": span.end, "label": span.label} for span in record.entities]
        scores = [annotated.scores[span].score for span in record.entities if span in annotated.scores]
        uncertain = [score.uncertainty for score in annotated.scores.values() if score.uncertainty is not None]
        metadata = {**({"group": record.group} if record.group else {}), **({"uncertainty": max(uncertain)} if uncertain else {})}
        suggestion = {"value": value, "score": scores if scores and len(scores) == len(value) else None, "agent": _AGENT}
        response = {"value": value, "user_id": _NOBODY, "status": "submitted"}
        yield {
            **({"id": record.id} if record.id else {}),
            "fields": {FIELD: record.text},
            "metadata": metadata,
            "suggestions": {QUESTION: suggestion} if predictions else {},
            "responses": {} if predictions else {QUESTION: [response]},
        }


def _write(records: Iterable[AnnotatedRecord], path: Path, log: RepairLog, predictions: bool) -> int:
    return write_array(_items(records, predictions), path)


FORMAT = Format(
    "argilla",
    "Argilla: records with fields, responses and suggestions (version 2, or its version 1)",
    json_reader(_parse),
    Conventions(repairs=BY_HAND, utf16=True),
    _recognize,
    _write,
)
