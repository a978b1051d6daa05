"""Recorded answers of an LLM: labels of single spans, and entities of whole sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from hybridner.errors import DataError
from hybridner.files import read_text
from hybridner.spans import NON_ENTITY, Span
from hybridner.validation import Integer, Settings, validate

#: How an answer may say that a span is no entity.
_NON_ENTITY = ("Non-Entity", NON_ENTITY)
#: The condition of answers that name none.
DEFAULT_CONDITION = "zero-shot"

_Line = TypeVar("_Line", bound=Settings)
Offset = Annotated[Integer, Field(ge=0)]


class _Answer(Settings):
    """A line of a file of answers."""

    set: str
    seed: Integer
    text: str
    start: Offset
    end: Offset
    answer: str
    condition: str = DEFAULT_CONDITION


class _Entity(Settings):
    start: Offset
    end: Offset
    label: str


class _Extraction(Settings):
    """A line of a file of extractions."""

    set: str
    text: str
    entities: list[_Entity]
    split: str = "test"


@dataclass(frozen=True)
class RecordedAnswers:
    """The answers about one set's routed spans, for one training of its members.

    Attributes:
        by_condition: condition (how was asked) -> (text, start, end) -> label, "O" for none.
    """

    by_condition: Mapping[str, Mapping[tuple[str, int, int], str]] = field(default_factory=dict)


def read_answers(path: str | Path) -> dict[tuple[str, int], RecordedAnswers]:
    """JSON lines with `set`, `seed` (whose doubtful spans were asked about), `text`, `start`, `end`, `answer` (a label or
    "Non-Entity") and perhaps `condition`.

    Returns:
        by set and seed.

    Raises:
        DataError: says which line and field.
    """
    found: dict[tuple[str, int], dict[str, dict[tuple[str, int, int], str]]] = {}
    for line in _lines(Path(path), _Answer):
        label = NON_ENTITY if line.answer in _NON_ENTITY else line.answer
        conditions = found.setdefault((line.set, line.seed), {})
        conditions.setdefault(line.condition, {})[line.text, line.start, line.end] = label
    return {key: RecordedAnswers(conditions) for key, conditions in found.items()}


def read_extractions(path: str | Path, split: str = "test") -> dict[str, dict[str, list[Span]]]:
    """JSON lines with `set`, `text`, `entities` (`start`, `end`, `label`) and perhaps `split` (others are left out).

    Returns:
        set -> text -> entities.

    Raises:
        DataError: says which line and field.
    """
    found: dict[str, dict[str, list[Span]]] = {}
    for line in _lines(Path(path), _Extraction):
        if line.split == split:
            found.setdefault(line.set, {})[line.text] = [Span(e.start, e.end, e.label) for e in line.entities]
    return found


def _lines(path: Path, schema: type[_Line]) -> Iterator[_Line]:
    try:
        rows = read_text(path).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", str(path)) from error
    for number, row in enumerate(rows, 1):
        if row.strip():
            where = f"{path}, line {number}"
            try:
                data = json.loads(row)
            except ValueError as error:
                raise DataError(f"is no JSON: {error}", where) from error
            # Files hold more about each answer; only what is read here is checked.
            kept = {name: data[name] for name in schema.model_fields if name in data} if isinstance(data, dict) else data
            yield validate(schema, kept, DataError, where)
