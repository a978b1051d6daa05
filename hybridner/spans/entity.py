"""Spans and records: the plain data that every other room works on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from hybridner.errors import DataError


class Span(NamedTuple):
    """A labelled stretch of text.

    Attributes:
        start: first character, counted from 0 in the original text.
        end: one past the last character, so that ``text[start:end]`` is the word.
        label: the entity type.

    Examples:
        >>> span = Span(0, 3, "State")
        >>> "俄罗斯部署了干扰机。"[span.start : span.end]
        '俄罗斯'
    """

    start: int
    end: int
    label: str


class Unsure(NamedTuple):
    """A stretch of text whose labels may be wrong.

    Attributes:
        start, end: characters, as in `Span`.
        weight: 0 to 1, how much its labels count in training: so often are they shown, and else taken as not known.

    Examples:
        >>> Record("北约的无人机", unsure=(Unsure(0, 2, 0.5),)).unsure[0].weight
        0.5
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Record:
    """One text with its gold entities.

    Attributes:
        text: the original text, untouched.
        entities: gold spans, sorted by start, then end.
        id: the record's name in its data set.
        group: the document it comes from; records of one group stay in one split or fold.
        unsure: where the labels, or that there are none, may be wrong: training counts them less.

    Examples:
        >>> record = Record("俄罗斯部署了干扰机。", (Span(0, 3, "State"), Span(6, 9, "System")), id="1")
        >>> [record.text[span.start : span.end] for span in record.entities]
        ['俄罗斯', '干扰机']
    """

    text: str
    entities: tuple[Span, ...] = ()
    id: str = ""
    group: str = field(default="", compare=False)
    unsure: tuple[Unsure, ...] = ()


def checked_record(text: str, spans: Iterable[tuple[int, int, str]], *, id: str = "", group: str = "", where: str = "") -> Record:
    """Build a record, making sure that every span lies inside its text.

    Args:
        text: the text.
        spans: (start, end, label) of each entity, in any order.
        id, group: see `Record`.
        where: what errors call the record, such as "FILE, line 3".

    Raises:
        DataError: a span is empty, reversed or reaches out of the text, or its label is empty.

    Examples:
        >>> checked_record("北约", [(0, 2, "State")]).entities
        (Span(start=0, end=2, label='State'),)
    """
    if not isinstance(text, str):
        raise DataError(f"`text` must be a string, not {type(text).__name__}", where)
    checked: set[Span] = set()
    for number, (start, end, label) in enumerate(spans):
        at = f"{where}, entity {number}" if where else f"entity {number}"
        # bool is an int to Python, but True is no offset.
        if not all(isinstance(offset, int) and not isinstance(offset, bool) for offset in (start, end)):
            raise DataError(f"`start` and `end` must be whole numbers, not {start!r} and {end!r}", at)
        if not 0 <= start < end <= len(text):
            raise DataError(
                f"span [{start}, {end}) does not fit a text of {len(text)} characters; "
                "start must be at least 0, end greater than start and at most the length (end is exclusive)",
                at,
            )
        if not isinstance(label, str) or not label:
            raise DataError(f"`label` must be a non-empty string, not {label!r}", at)
        checked.add(Span(start, end, label))
    return Record(text, tuple(sorted(checked)), id, group)
