"""Label Studio: its JSON export with tasks, annotations and predictions, and the flat JSON-MIN.

The control may have any name. Offsets are UTF-16 units, which the words beside them prove. Tasks that nobody annotated, or that
were skipped, are left out and counted. Predictions are written in the form that Label Studio imports for review, with the score
of each region and the largest uncertainty of each task, by which tasks can be sorted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybridner.data.formats.base import (
    BY_HAND,
    AnnotatedRecord,
    Conventions,
    EntityScore,
    Format,
    JsonObject,
    RawEntity,
    RawRecord,
)
from hybridner.data.formats.json_fields import TEXT_FIELDS, as_list, find_text, read_score
from hybridner.data.formats.json_records import find_id, id_fields, json_reader, write_array
from hybridner.data.options import ReadOptions
from hybridner.data.repairs import RepairLog
from hybridner.errors import DataError
from hybridner.spans import Span

_CONVENTIONS = Conventions(repairs=BY_HAND, utf16=True)
#: Names of the controls in the labeling configuration that the written files fit.
CONTROL, OBJECT = "label", "text"
_MODEL = "hybridner"


def _parse(item: JsonObject, where: str, id: str, options: ReadOptions) -> RawRecord | None:
    data = item.get("data")
    if not isinstance(data, dict):
        raise DataError("expected a task with `data`", where)
    proposed = _proposed(item, where, options)
    if options.predictions:
        results: Sequence[Any] | None = None if proposed is None else ()
        entities = proposed
    else:
        results = _decided(item, where, options)
        # A score that is still there is that of the model whose region was accepted.
        regions = _regions(results or (), where, options)
        entities = None if results is None else [entity._replace(score=None) for entity in regions]
    if entities is None:
        return None
    text = find_task_text(data, results or (), where, options)
    group, proposed = str(data.get("group") or ""), None if options.predictions else proposed
    return RawRecord(text, entities, where, find_id(data, id), group, proposed)


def _decided(item: JsonObject, where: str, options: ReadOptions) -> Sequence[Any] | None:
    """The regions of the annotation that counts; None (and a count) where there is none."""
    field = "annotations" if "annotations" in item else "completions"
    done = as_list(item.get(field), field, where)
    kept = [one for one in done if isinstance(one, dict) and not (one.get("was_cancelled") or one.get("skipped"))]
    if not kept:
        options.repairs.add("rejected_task" if done else "unlabeled_task", where)
        return None
    results = [as_list(one.get("result"), "result", where) for one in kept]
    if any(_places(result) != _places(results[0]) for result in results[1:]):
        options.repairs.add("several_annotations", where)
    return next((result for one, result in zip(kept, results, strict=True) if one.get("ground_truth")), results[-1])


def _proposed(item: JsonObject, where: str, options: ReadOptions) -> list[RawEntity] | None:
    where = f"{where}, predictions"
    predictions = [one for one in as_list(item.get("predictions"), "predictions", where) if isinstance(one, dict)]
    if not predictions:
        return None
    return list(_regions(as_list(predictions[-1].get("result"), "result", where), where, options))


def _places(results: Sequence[Any]) -> list[str]:
    return sorted(repr(region.get("value")) for region in results if isinstance(region, dict))


def _regions(results: Iterable[Any], where: str, options: ReadOptions) -> Iterator[RawEntity]:
    for number, region in enumerate(results):
        at = f"{where}, region {number}"
        if not isinstance(region, dict):
            raise DataError(f"a region must be an object, not {type(region).__name__}", at)
        if region.get("type") == "relation":
            options.repairs.add("relations_left_out", at)
            continue
        value = region.get("value")
        if isinstance(value, dict) and "start" in value and "end" in value:
            yield from _entities(value, region, at, options)


def _entities(value: JsonObject, region: JsonObject, where: str, options: ReadOptions) -> Iterator[RawEntity]:
    labels = value.get("labels", value.get("hypertextlabels"))
    if not labels:
        options.repairs.add("unlabeled_region", where)
        return
    word = value.get("text") if isinstance(value.get("text"), str) else None
    score = read_score({**_meta(region), **{key: region[key] for key in ("score",) if key in region}})
    for label in labels if isinstance(labels, list) else [labels]:
        yield RawEntity(value["start"], value["end"], label, word, score)


def _meta(region: JsonObject) -> Mapping[str, Any]:
    meta = region.get("meta")
    return meta if isinstance(meta, dict) else {}


def find_task_text(data: JsonObject, results: Sequence[Any], where: str, options: ReadOptions) -> Any:
    """The text of a task: the field that is named by the user, by custom, or by the regions; else the only one that is a text."""
    texts = [field for field, value in data.items() if isinstance(value, str) and field not in ("id", "group")]
    named = [region["to_name"] for region in results if isinstance(region, dict) and isinstance(region.get("to_name"), str)]
    for field in (options.text_field, *TEXT_FIELDS, *named) if not options.text_field else (options.text_field,):
        if field in texts:
            return data[field]
    if len(texts) == 1 and not options.text_field:
        return data[texts[0]]
    return find_text(data, f"{where}, data", options)


def _recognize(item: JsonObject) -> str:
    if isinstance(item.get("data"), dict) and any(key in item for key in ("annotations", "completions", "predictions")):
        return "its objects are tasks with `data` and `annotations` or `predictions`"
    return ""


def _parse_min(item: JsonObject, where: str, id: str, options: ReadOptions) -> RawRecord | None:
    controls = [field for field, value in item.items() if _is_control(value)]
    if not controls and "annotation_id" not in item:
        options.repairs.add("unlabeled_task", where)
        return None
    entities = [
        entity
        for field in controls
        for number, value in enumerate(item[field])
        for entity in _entities(value, {}, f"{where}, {field} {number}", options)
    ]
    text = find_task_text({key: value for key, value in item.items() if key not in _MIN_FIELDS}, (), where, options)
    return RawRecord(text, entities, where, id, str(item.get("group") or ""))


#: What JSON-MIN has beside the fields of the task and its controls.
_MIN_FIELDS = ("annotator", "created_at", "updated_at", "file_upload", "storage_filename")


def _is_control(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(v, dict) and {"start", "end", "labels"} <= v.keys() for v in value)
    )


def _recognize_min(item: JsonObject) -> str:
    field = next((field for field, value in item.items() if _is_control(value)), "")
    if field:
        return f"`{field}` holds regions with start, end and labels"
    return "its objects have an annotation_id and a lead_time" if {"annotation_id", "lead_time"} <= item.keys() else ""


def _tasks(records: Iterable[AnnotatedRecord], predictions: bool) -> Iterator[JsonObject]:
    for number, annotated in enumerate(records):
        units = _units(annotated.record.text)
        regions = [
            _region(f"{number}-{place}", annotated.record.text, span, units, annotated.scores.get(span))
            for place, span in enumerate(annotated.record.entities)
        ]
        scores = list(annotated.scores.values())
        uncertain = [score.uncertainty for score in scores if score.uncertainty is not None]
        data = {
            **id_fields(annotated),
            "text": annotated.record.text,
            **({"uncertainty": max(uncertain), "needs_review": sum(bool(s.needs_review) for s in scores)} if uncertain else {}),
        }
        if predictions:
            least = {"score": min(score.score for score in scores)} if scores else {}
            yield {"data": data, "predictions": [{"model_version": _MODEL, **least, "result": regions}]}
        else:
            yield {"data": data, "annotations": [{"result": regions}]}


def _region(id: str, text: str, span: Span, units: Sequence[int], score: EntityScore | None) -> JsonObject:
    value = {"start": units[span.start], "end": units[span.end], "text": text[span.start : span.end], "labels": [span.label]}
    region = {"id": id, "from_name": CONTROL, "to_name": OBJECT, "type": "labels", "value": value}
    if score is None:
        return region
    meta = {key: value for key, value in score._asdict().items() if key != "score" and value is not None}
    return {**region, "score": score.score, **({"meta": meta} if meta else {})}


def _units(text: str) -> list[int]:
    """The offset in UTF-16 units of each character, and of the text's end."""
    units = [0]
    for character in text:
        units.append(units[-1] + 1 + (character > "\uffff"))
    return units


def _write(records: Iterable[AnnotatedRecord], path: Path, log: RepairLog, predictions: bool) -> int:
    return write_array(_tasks(records, predictions), path)


FORMAT = Format(
    "label-studio",
    "Label Studio JSON: tasks with data, annotations and predictions",
    json_reader(_parse),
    _CONVENTIONS,
    _recognize,
    _write,
)
MIN_FORMAT = Format(
    "label-studio-min",
    "Label Studio JSON-MIN: a text and, under the control's name, regions with start, end and labels",
    json_reader(_parse_min),
    _CONVENTIONS,
    _recognize_min,
)
