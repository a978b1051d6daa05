"""The fields of a JSON object: where its text and its annotations are, told by their form and not by one name.

What looks like annotations is never passed over: a record is read by the one field that holds some, and refused where that
cannot be told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeGuard

from hybridner.data.formats.base import EntityScore, JsonObject, RawEntity
from hybridner.data.options import ReadOptions
from hybridner.errors import DataError

#: What people call the field of the text.
TEXT_FIELDS = ("text", "content", "sentence", "data", "raw_text", "originalText", "original_text", "context", "query")
#: What people call the field of the annotations. One of these that is empty says that there is none.
ANNOTATION_FIELDS = (
    "entities",
    "spans",
    "ents",
    "label",
    "labels",
    "annotations",
    "annotation",
    "mentions",
    "ner",
    "entity_list",
)
#: Fields that look like annotations and are something else.
_OTHER_FIELDS = frozenset(
    {"tokens", "relations", "relation", "Comments", "comments", "meta", "metadata", "options", "links", "events", "spo_list"}
)

_START_KEYS = ("start", "start_offset", "start_idx", "start_pos", "start_char", "startOffset", "begin", "beginOffset", "offset")
_END_KEYS = ("end", "end_offset", "end_idx", "end_pos", "end_char", "endOffset")
_LABEL_KEYS = ("label", "entity_group", "type", "entity_type", "label_type", "tag", "category", "class")
_WORD_KEYS = ("word", "text", "entity", "surface", "mention", "span")

_LIKE_START = re.compile(r"start|begin|offset|from|pos|left", re.IGNORECASE)
_LIKE_LABEL = re.compile(r"label|type|tag|category|class|entity|kind|group", re.IGNORECASE)
_LIKE_RELATION = re.compile(r"to_id|head|tail|child|target|subject", re.IGNORECASE)


class Annotations(NamedTuple):
    """The field of a record that holds its annotations.

    Attributes:
        form: "objects" (start, end, label), "offset-objects" (start_offset ...), "index-objects" (start_idx ...), "lists" of
            start, end and label, "label-first lists", "by-label" (label to word to places), "tags" (a tag a token), or "none".
    """

    field: str
    form: str
    value: Any


def find_text(item: JsonObject, where: str, options: ReadOptions) -> Any:
    """The text of a record.

    Raises:
        DataError: no field is known to hold it.
    """
    names = (options.text_field,) if options.text_field else TEXT_FIELDS
    found = [name for name in names if isinstance(item.get(name), str)]
    if found:
        return item[found[0]]
    named = next((name for name in names if name in item), None)
    if named is not None:
        return item[named]
    raise DataError(
        f"unknown format: an object with the fields {', '.join(item) or '(none)'} but no `{names[0]}`; where the text has "
        "another name, say which: `hybridner data convert FILE OUT.jsonl --to jsonl --text-field NAME`",
        where,
    )


def find_only_text(fields: JsonObject, where: str, options: ReadOptions) -> Any:
    """As `find_text`, for the fields of a tool's record: one that is the only text among them may have any name."""
    texts = [value for value in fields.values() if isinstance(value, str)]
    if len(texts) == 1 and not options.text_field:
        return texts[0]
    return find_text(fields, where, options)


def find_annotations(item: JsonObject, where: str) -> Annotations | None:
    """The field that holds a record's annotations; None where no field is there for them.

    Raises:
        DataError: several fields hold some, or one looks like annotations of an unknown form.
    """
    found: list[Annotations] = []
    empty: list[Annotations] = []
    for field, value in item.items():
        form = _form(field, value)
        if form == "unknown":
            raise DataError(_unknown_form(field, value), where)
        if form == "none":
            empty.append(Annotations(field, form, value))
        elif form:
            found.append(Annotations(field, form, value))
    if len(found) > 1:
        names = " and ".join(f"`{one.field}`" for one in found)
        raise DataError(f"both {names} hold annotations; keep the one that is meant", where)
    return found[0] if found else empty[0] if empty else None


def _form(field: str, value: Any) -> str:
    """The form of a field's annotations: one of those of `Annotations`, "unknown", or "" where it holds no annotations."""
    if field in _OTHER_FIELDS:
        return ""
    named = field in ANNOTATION_FIELDS
    if isinstance(value, dict):
        if value and (named or all(isinstance(places, dict) and places and _all_places(places) for places in value.values())):
            return "by-label"
        return "none" if named else ""
    if not isinstance(value, list) or not value:
        return "none" if named and (value is None or value == []) else ""
    first = value[0]
    if isinstance(first, dict):
        return _form_of_object(first, named)
    if isinstance(first, (list, tuple)):
        kinds = [type(part) for part in first[:3]]
        if kinds == [int, int, str]:
            return "lists"
        if kinds == [str, int, int]:
            return "label-first lists"
        return "unknown" if named else ""
    if isinstance(first, str) and all(isinstance(tag, str) and re.fullmatch(r"O|[BIMESLU][-_].+", tag) for tag in value):
        return "tags"
    return "unknown" if named else ""


def _all_places(places: JsonObject) -> bool:
    return all(isinstance(place, list) and place and isinstance(place[0], list) for place in places.values())


def _form_of_object(first: JsonObject, named: bool) -> str:
    labeled = any(key in first for key in (*_LABEL_KEYS, "entity"))
    if "start_idx" in first and (labeled or named):
        return "index-objects"
    if "start_offset" in first and (labeled or named):
        return "offset-objects"
    if any(key in first for key in _START_KEYS) and (labeled or named):
        return "objects"
    keys = " ".join(first)
    looks = _LIKE_START.search(keys) and _LIKE_LABEL.search(keys) and not _LIKE_RELATION.search(keys)
    return "unknown" if named or looks else ""


def _unknown_form(field: str, value: Any) -> str:
    shown = repr(value)
    return (
        f"unknown format: `{field}` looks like annotations, but of no known form: {shown[:80]}; "
        "expected objects with start, end and label (or start_offset and end_offset, or start_idx and end_idx), or lists "
        "[start, end, label]"
    )


def raw_entities(annotations: Annotations, where: str) -> Iterator[RawEntity]:
    """The entities of a record, offsets as they stand.

    Raises:
        DataError: an entry lacks a field, or has another form than the first.
    """
    if annotations.form == "by-label":
        yield from _by_label(annotations, where)
        return
    for number, entry in enumerate(annotations.value or ()):
        at = f"{where}, entity {number}"
        if "lists" in annotations.form:
            yield _of_list(entry, at, label_first=annotations.form != "lists")
        else:
            entity = _of_object(entry, at)
            if entity is not None:
                yield entity


def _of_list(entry: Any, where: str, *, label_first: bool) -> RawEntity:
    if not (isinstance(entry, (list, tuple)) and len(entry) >= 3):
        raise DataError(f"expected {'[label, start, end]' if label_first else '[start, end, label]'}, not {entry!r}", where)
    start, end, label = (entry[1], entry[2], entry[0]) if label_first else entry[:3]
    beside = entry[3] if len(entry) > 3 else None
    word = beside if isinstance(beside, str) else None
    score = EntityScore(float(beside)) if is_number(beside) else None
    return RawEntity(start, end, label, word, score)


def _of_object(entry: Any, where: str) -> RawEntity | None:
    if not isinstance(entry, dict):
        raise DataError(f"an entity must be an object, not {type(entry).__name__}", where)
    start = _first_key(entry, _START_KEYS, where)
    if "length" in entry and not any(key in entry for key in _END_KEYS):
        end = entry[start] + entry["length"] if isinstance(entry[start], int) and isinstance(entry["length"], int) else None
    else:
        end = entry[_first_key(entry, _END_KEYS, where)]
    # Beside a word, `entity` is the label, as in the token-classification pipeline of transformers.
    label = _first_key(entry, (*_LABEL_KEYS, "entity") if "word" in entry else _LABEL_KEYS, where)
    words = [entry[key] for key in _WORD_KEYS if key in entry and key != label]
    word = next((word for word in words if isinstance(word, str)), None)
    return RawEntity(entry[start], end, entry[label], word, read_score(entry))


def as_list(value: Any, name: str, where: str) -> list[Any]:
    """A list that a record holds; nothing stands for an empty one.

    Raises:
        DataError: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f"`{name}` must be a list, not {type(value).__name__}", where)
    return value


def _first_key(entry: JsonObject, keys: Sequence[str], where: str) -> str:
    found = next((key for key in keys if key in entry), None)
    if found is None:
        raise DataError(f"`{keys[0]}` is missing", where)
    return found


def read_score(entry: JsonObject) -> EntityScore | None:
    """What a model said about an entity, where its object has a `score`."""
    score, uncertainty, review = (entry.get(key) for key in ("score", "uncertainty", "needs_review"))
    if not is_number(score):
        return None
    return EntityScore(
        float(score), float(uncertainty) if is_number(uncertainty) else None, review if isinstance(review, bool) else None
    )


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value of JSON is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _by_label(annotations: Annotations, where: str) -> Iterator[RawEntity]:
    for label, words in annotations.value.items():
        if not isinstance(words, dict):
            raise DataError("expected {word: [[first, last], ...]}", f"{where}, {annotations.field}.{label}")
        for word, places in words.items():
            at = f"{where}, {annotations.field}.{label}.{word}"
            for place in places if isinstance(places, list) else [places]:
                if not (isinstance(place, list) and len(place) == 2 and all(type(offset) is int for offset in place)):
                    raise DataError(f"expected [first, last], not {place!r}", at)
                yield RawEntity(place[0], place[1], label, word, place=f"{annotations.field}.{label}.{word}")
