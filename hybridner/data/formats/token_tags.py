"""Tokens and tags as two lists in a JSON object: ``{"tokens": ["李", "明"], "ner_tags": ["B-PER", "I-PER"]}``.

The tokens may also be one text, a tag for each of its characters.
"""

from __future__ import annotations

from typing import Any

from hybridner.data.formats.base import Format, JsonObject, RawEntity, RawRecord
from hybridner.data.formats.json_fields import TEXT_FIELDS
from hybridner.data.formats.json_records import json_reader
from hybridner.data.formats.tags import find_scheme, is_closed_by_end, is_tag, join_tokens, split_tag, token_spans
from hybridner.data.options import ReadOptions
from hybridner.errors import DataError

_TOKEN_FIELDS = ("tokens", "words", "chars", "characters", *TEXT_FIELDS)
_TAG_FIELDS = ("ner_tags", "tags", "labels", "label", "ner", "bio", "entities", "tag", "ner_labels")


def _lists(item: JsonObject) -> tuple[str, str] | None:
    """The fields of the tokens and of the tags."""
    tags = next((field for field in _TAG_FIELDS if _are_tags(item.get(field))), None)
    if tags is None:
        return None
    tokens = next((field for field in _TOKEN_FIELDS if field != tags and _are_tokens(item.get(field))), None)
    return None if tokens is None else (tokens, tags)


def _are_tokens(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(token, str) for token in value))


def _are_tags(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(tag, str) and is_tag(tag) for tag in value)


def _parse(item: JsonObject, where: str, id: str, options: ReadOptions) -> RawRecord:
    found = _lists(item)
    if found is None:
        raise DataError("expected tokens and as many tags (O, B-..., I-...)", where)
    tokens, tags = list(item[found[0]]), item[found[1]]
    if len(tokens) != len(tags):
        raise DataError(f"`{found[0]}` has {len(tokens)} and `{found[1]}` {len(tags)} entries; each token needs one tag", where)
    scheme = find_scheme({_prefix(tag): place for place, tag in reversed(list(enumerate(tags))) if tag != "O"}, where)
    # Tokens that are the characters of one text stay that text.
    text, starts = (item[found[0]], list(range(len(tokens)))) if isinstance(item[found[0]], str) else join_tokens(tokens)
    entities = [
        RawEntity(starts[first], starts[last] + len(tokens[last]), label)
        for first, last, label in token_spans(tags, is_closed_by_end(scheme), options.repairs, where)
    ]
    return RawRecord(text, entities, where, id, str(item.get("group") or ""))


def _prefix(tag: str) -> str:
    """The prefix of a tag as it is written."""
    split_tag(tag)
    return tag[0]


def _recognize(item: JsonObject) -> str:
    found = _lists(item)
    return "" if found is None else f"`{found[1]}` holds a tag for each of `{found[0]}`"


FORMAT = Format("token-tags", "JSON objects with a list of tokens and a list of tags", json_reader(_parse), recognize=_recognize)
