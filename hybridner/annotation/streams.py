"""Data sets of the Hub (or a folder that `load_dataset` opens) as input, streamed: nothing is stored but the output."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridner.annotation.records import Fields, Item, Reject, checked
from hybridner.annotation.sources import Finished, Piece, piece_key
from hybridner.errors import DataError

if TYPE_CHECKING:
    from datasets import IterableDataset


class StreamSource:
    r"""One split of a data set.

    A data set of at least as many shards as there are processes is read by each process in its own shards; one of fewer shards is
    streamed by every process, which then takes every so-manieth piece.

    Args:
        name: a repository on the Hub, or a folder.
        split: "train", "test", ...
        config: the configuration, where there are several.
        revision: of the repository, by default the newest; `revision` afterwards is the commit that it stands for.
        fields: which columns to take.
        per_piece: records of a piece.

    Raises:
        DataError: the data set cannot be opened or lacks a column.

    Examples:
        >>> Path("posts").mkdir()
        >>> _ = Path("posts/train.jsonl").write_text('{"body": "俄罗斯部署了干扰机。"}\n', encoding="utf-8")
        >>> source = StreamSource("posts", "train", None, None, Fields(text="body"), per_piece=100)
        >>> pieces = source.pieces(process=0, processes=1, finished=lambda key: None)
        >>> [item.text for _, items in pieces for item in items]
        ['俄罗斯部署了干扰机。']
    """

    def __init__(self, name: str, split: str, config: str | None, revision: str | None, fields: Fields, per_piece: int) -> None:
        self.name, self.split, self.config = name, split, config
        self.revision = pinned(name, revision)
        self.fields, self.per_piece = fields, per_piece
        self._data = self._open()
        self._shards = int(self._data.num_shards)

    def _open(self) -> IterableDataset:
        from datasets import load_dataset

        try:
            data = load_dataset(self.name, self.config, split=self.split, revision=self.revision, streaming=True)
        # Wrong names, an unreachable Hub and broken metadata each have errors of their own, from several libraries.
        except Exception as error:
            raise DataError(f"neither a file here nor a data set that can be opened ({error})", self.name) from error
        columns = data.column_names
        if columns is None:
            return data
        for name in self.fields.names:
            if name not in columns:
                raise DataError(f"no column {name!r}; it has {', '.join(columns)}", f"{self.name}, {self.split}")
        return data.select_columns(self.fields.names)

    @property
    def total(self) -> int | None:
        known = (self._data.info.splits or {}).get(self.split)
        return int(known.num_examples) if known is not None and known.num_examples else None

    @property
    def keys(self) -> None:
        return None

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "dataset",
            "name": self.name,
            "config": self.config,
            "split": self.split,
            "revision": self.revision,
            "shards": self._shards,
            "records_per_shard": self.per_piece,
        }

    def size(self, key: str) -> int:
        return self.per_piece

    def check(self) -> None:
        """A commit of a repository does not change."""

    def pieces(self, process: int, processes: int, finished: Finished) -> Iterator[tuple[Piece, list[Item | Reject]]]:
        whole_shards = self._shards >= processes
        for shard in range(process, self._shards, processes) if whole_shards else range(self._shards):
            yield from self._pieces_of(shard, 0 if whole_shards else process, 1 if whole_shards else processes, finished)

    def _pieces_of(self, shard: int, mine: int, every: int, finished: Finished) -> Iterator[tuple[Piece, list[Item | Reject]]]:
        number = mine
        while (had := finished(piece_key(shard, number))) is not None:
            if had < self.per_piece:
                return
            number += every
        # Pieces before the first unfinished one of mine are skipped unread; later ones pass by.
        rows = iter(self._data.shard(self._shards, shard).skip(number * self.per_piece))
        source = f"{self.name}{f'@{self.revision}' if self.revision else ''}, {self.split}, shard {shard}"
        while block := list(islice(rows, self.per_piece)):
            key = piece_key(shard, number)
            if number % every == mine and finished(key) is None:
                first = number * self.per_piece
                stem = f"{self.split}-{shard}"
                yield (
                    Piece(key, source, len(block)),
                    [checked(row, first + place, self.fields, stem) for place, row in enumerate(block)],
                )
            number += 1


def pinned(name: str, revision: str | None) -> str | None:
    """The commit that a revision of a repository on the Hub stands for; the revision as it is for anything else."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    if Path(name).exists():
        return revision
    try:
        return HfApi().dataset_info(name, revision=revision).sha
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, OSError):
        return revision
