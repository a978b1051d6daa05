"""What comes out of an input: texts to read, and records that cannot be read with the reason why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hybridner.text.surrogates import replace_surrogates

#: Characters of a record set aside that are kept for whoever repairs it.
_KEPT = 10_000


class Item(NamedTuple):
    """A text to annotate.

    Attributes:
        offset: the number of its line or row in its source, from 0.
        id: its own, or one made of the source's name and the offset.
        text: as it stands there, but for halves of characters, which became U+FFFD.
        halves: how many of these there were.
    """

    offset: int
    id: str
    text: str
    halves: int = 0


class Reject(NamedTuple):
    """A record set aside: why, and the record itself as far as it can be shown."""

    offset: int
    reason: str
    record: str


@dataclass(frozen=True)
class Fields:
    """Where a record keeps what is needed.

    Attributes:
        text: field or column of the text.
        id: field or column of the record's own name, None where it has none.
        longest: the most characters of a text; a longer one is set aside, so that one record cannot take all memory.

    Examples:
        >>> Fields(text="body", id="url", longest=10_000).names
        ['body', 'url']
    """

    text: str = "text"
    id: str | None = None
    longest: int = 200_000

    @property
    def names(self) -> list[str]:
        """The fields to take."""
        return [self.text] if self.id is None else [self.text, self.id]


def checked(record: Mapping[str, Any], offset: int, fields: Fields, stem: str) -> Item | Reject:
    """The text of a record that is an object with fields, or why there is none.

    Args:
        record: field names and values.
        offset: the number of its line or row.
        fields: which to take.
        stem: begins the id of a record that has none of its own.
    """
    name = f"{stem}-{offset}"
    if fields.id is not None:
        own = record.get(fields.id)
        if not isinstance(own, (str, int)) or isinstance(own, bool) or own == "":
            return Reject(offset, f"the id field {fields.id!r} must be a string or a whole number, not {own!r}", shown(record))
        name = str(own)
    if fields.text not in record:
        return Reject(offset, f"no field {fields.text!r}", shown(record))
    return checked_text(record[fields.text], offset, name, fields.longest)


def checked_text(text: object, offset: int, id: str, longest: int) -> Item | Reject:
    """The text, halves of characters replaced; or why it cannot be read."""
    if not isinstance(text, str):
        return Reject(offset, f"the text is {type(text).__name__}, not a string", shown(text))
    if len(text) > longest:
        reason = f"the text has {len(text)} characters, more than {longest}; split it, or allow more"
        return Reject(offset, reason, shown(text))
    clean, halves = replace_surrogates(text)
    return Item(offset, replace_surrogates(id)[0], clean, halves)


def shown(record: object) -> str:
    """A record as text that any file can hold, cut to a length for people."""
    text = record if isinstance(record, str) else str(record)
    return text[:_KEPT].encode("utf-8", "backslashreplace").decode()
