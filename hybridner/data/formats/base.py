"""What every format has in common: records as they stand in a file, before anything is checked, and how a format is described."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hybridner.data.offsets import Offsets
from hybridner.data.options import ReadOptions
from hybridner.data.repairs import RepairLog
from hybridner.spans import Record, Span

JsonObject = Mapping[str, Any]


class EntityScore(NamedTuple):
    """What a model said about an entity it found."""

    score: float
    uncertainty: float | None = None
    needs_review: bool | None = None


class RawEntity(NamedTuple):
    """An entity as a file has it: offsets in the file's own way of counting, nothing checked.

    Attributes:
        word: the text that the file gives beside the offsets, if it does.
        score: a model's, where the file has one.
        place: where in its record it stands, for messages, where a number does not say that.
    """

    start: Any
    end: Any
    label: Any
    word: str | None = None
    score: EntityScore | None = None
    place: str = ""


@dataclass(frozen=True)
class RawRecord:
    """A text and its entities as a file has them.

    Attributes:
        where: the place in the file, for messages.
        proposed: what a model had proposed, where the file keeps that beside what people decided.
    """

    text: Any
    entities: Sequence[RawEntity]
    where: str
    id: str = ""
    group: str = ""
    proposed: Sequence[RawEntity] | None = None


@dataclass(frozen=True)
class AnnotatedRecord:
    """A record with what is known about its entities beyond gold.

    Attributes:
        scores: what a model said about its entities; empty where people annotated.
        proposed: what a model had proposed before people decided; None where that is not known.
    """

    record: Record
    scores: Mapping[Span, EntityScore] = field(default_factory=dict)
    proposed: tuple[Span, ...] | None = None


@dataclass(frozen=True)
class Conventions:
    """How the files of a format are written.

    Attributes:
        offsets: how they are counted.
        repairs: rules that its files are known to need; what they do not cover is an error.
        utf16: its files come from tools that may count in UTF-16 units.
    """

    offsets: Offsets = "exclusive"
    repairs: frozenset[str] = frozenset()
    utf16: bool = False


#: What people do with a mouse.
BY_HAND = frozenset({"empty_span", "out_of_range", "edge_space"})

#: Writes records and returns how many. What the format cannot hold is counted in the log. The last argument says whether the
#: entities are a model's, to be reviewed, or decided.
Writer = Callable[[Iterable[AnnotatedRecord], Path, RepairLog, bool], int]


@dataclass(frozen=True)
class Format:
    """One format of labelled files.

    Attributes:
        name: as users give it.
        title: what it is, in a few words.
        read: the records of a file, one at a time.
        conventions: how its files are written.
        recognize: of a format of JSON objects, why an object is one of it; empty where it is none.
        write: writes a file of it; None where that is not possible.
    """

    name: str
    title: str
    read: Callable[[Path, ReadOptions], Iterator[RawRecord]]
    conventions: Conventions = Conventions()
    recognize: Callable[[JsonObject], str] | None = None
    write: Writer | None = None


class Recognition(NamedTuple):
    """What a file was taken for, and by what."""

    format: str
    why: str

    def __str__(self) -> str:
        return f"{self.format}, because {self.why}"
