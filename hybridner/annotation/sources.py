"""The two kinds of input, files and data sets, behind one interface: pieces of a fixed size, each read by one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from hybridner.annotation.records import Item, Reject

#: How many records a finished piece had; None for one that is not finished.
Finished = Callable[[str], "int | None"]


@dataclass(frozen=True)
class Piece:
    """A run of records that becomes one output shard, whatever the number of processes.

    Attributes:
        key: names the shard: the number of the file (or of the data set's shard) and of the piece in it.
        source: the file or data set.
        records: lines or rows it holds.
    """

    key: str
    source: str
    records: int


def piece_key(source: int, number: int) -> str:
    return f"{source:05d}-{number:06d}"


class Source(Protocol):
    """An input, cut into pieces."""

    @property
    def total(self) -> int | None:
        """Records of the whole input, None where nobody knows."""

    def describe(self) -> dict[str, Any]:
        """What the input is, as JSON types: the same again only for the same content cut in the same way."""

    @property
    def keys(self) -> set[str] | None:
        """The keys of all pieces, None where nobody knows."""

    def size(self, key: str) -> int:
        """How many records the piece has (at most)."""

    def pieces(self, process: int, processes: int, finished: Finished) -> Iterator[tuple[Piece, list[Item | Reject]]]:
        """The unfinished pieces that fall to this process, each with what it holds.

        Which process a piece falls to depends on nothing but its place and `processes`, so that nobody has to agree on anything.
        """

    def check(self) -> None:
        """Make sure that the input is still what it was when it was opened.

        Raises:

            DataError: it is not.
        """
