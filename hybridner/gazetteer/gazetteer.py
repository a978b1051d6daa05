"""The gazetteer: terms by label, where they occur, and how far to trust them."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hybridner.data.terms import Term
from hybridner.errors import DataError
from hybridner.files import atomic_write
from hybridner.gazetteer.hits import Hits
from hybridner.gazetteer.matcher import Matcher
from hybridner.gazetteer.reliability import Reliability
from hybridner.gazetteer.table import BETWEEN, SCHEMA, folded, join_tables, number_patterns, terms_table
from hybridner.text.folding import fold

_METADATA = b"hybridner.gazetteer"
#: Characters before and after a term in which one of the words that it requires must stand.
CONTEXT = 50
#: More terms than any list has: a file that says so is damaged, or meant to take all memory.
_MAX_TERMS = 50_000_000


@dataclass(frozen=True, eq=False)
class Gazetteer:
    """Terms over a label set.

    Attributes:
        labels: the K names.
        table: the terms; see `hybridner.gazetteer.table.SCHEMA`.
        reliability: how probable it is that a term means what the gazetteer says.
        sources: sorted 64-bit hashes of the texts that counts come from, so that these are never judged by terms of their own.

    Examples:
        >>> gazetteer = Gazetteer.from_terms([Term("俄罗斯", "Adversary States")], ["Adversary States"])
        >>> [(start, end) for _, start, end in gazetteer.find(["俄羅斯部署了干扰机。"]).places.tolist()]
        [(0, 3)]
    """

    labels: tuple[str, ...]
    table: pa.Table
    reliability: Reliability
    sources: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

    @classmethod
    def from_terms(cls, terms: Iterable[Term], labels: Sequence[str]) -> Gazetteer:
        """A gazetteer of lists alone, with the reliability that is assumed where nothing is known.

        Raises:
            DataError: no term, or a term with a label that is none of the K names.
        """
        return cls(tuple(labels), terms_table(terms, labels), Reliability.assumed(len(labels)))

    def __len__(self) -> int:
        """How many pairs of a term and a label."""
        return int(self.table.num_rows)

    @property
    def counts_by_label(self) -> dict[str, int]:
        """Terms of each label that has any; blocked ones under "blocked"."""
        counts = np.bincount(self._labels, minlength=len(self.labels) + 1).tolist()
        return {name: count for name, count in zip(("blocked", *self.labels), counts, strict=True) if count}

    @property
    def fingerprint(self) -> str:
        """A hash of the terms and how far they are trusted."""
        digest = blake2b(json.dumps([self.labels, self.reliability.to_dict()]).encode(), digest_size=16)
        for column in self.table.columns:
            digest.update("\n".join(map(str, column.to_pylist())).encode())
        return digest.hexdigest()

    def with_terms(self, terms: Iterable[Term]) -> Gazetteer:
        """With the terms of lists beside its own."""
        return replace(self, table=join_tables(self.table, terms_table(terms, self.labels)))

    def with_reliability(self, reliability: Reliability) -> Gazetteer:
        """With another reliability."""
        return replace(self, reliability=reliability)

    def for_labels(self, labels: Sequence[str]) -> Gazetteer:
        """The same terms, numbered by another order of the labels.

        Raises:
            DataError: a label of its terms is none of these.
        """
        if tuple(labels) == self.labels:
            return self
        missing = [name for name in self.counts_by_label if name != "blocked" and name not in labels]
        if missing:
            raise DataError(f"the gazetteer has terms of {', '.join(missing)}; the model's labels are {', '.join(labels)}")
        number = np.array([0, *(labels.index(name) + 1 if name in labels else 0 for name in self.labels)])
        table = self.table.set_column(1, SCHEMA.field("label"), pa.array(number[self._labels], pa.int16()))
        return replace(self, labels=tuple(labels), table=table, reliability=Reliability.assumed(len(labels)))

    def find(self, texts: Sequence[str]) -> Hits:
        """Every occurrence of a term that is neither blocked nor lacks the words that it requires, in one pass over the texts."""
        rows: list[tuple[int, int, int, int]] = []
        for number, text in enumerate(texts):
            rows += ((number, *hit) for hit in self._find(text))
        found = np.array(rows, dtype=np.int64).reshape(-1, 4)
        found = found[np.lexsort(found.T[::-1])]
        terms = found[:, 3]
        return Hits(
            found[:, :3],
            terms,
            self._labels[terms],
            self._column("count")[terms],
            self._column("seen")[terms],
            self._listed[terms],
        )

    def judge(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Where terms occur in texts, [S, 3] (text, start, end; sorted), and P(label | what occurs there), [S, K + 1]."""
        return self.reliability.distributions(self.find(texts))

    def _find(self, text: str) -> Iterator[tuple[int, int, int]]:
        """(start, end, row) of the terms of one text."""
        found = self._matcher.find(text)
        blocked = [(start, end) for start, end, word in found if word in self._blocked]
        context: dict[int, list[int]] = {}
        for start, _, word in found:
            if word in self._context_words:
                context.setdefault(word, []).append(start)
        for start, end, word in found:
            if word >= self._num_patterns or any(low <= start and end <= high for low, high in blocked):
                continue
            for row in range(self._first_row[word], self._first_row[word + 1]):
                needed = self._requires.get(row)
                if needed is None or _stands_near(needed, context, start, end):
                    yield start, end, row

    @cached_property
    def _matcher(self) -> Matcher:
        def words() -> Iterator[str]:
            for row in self._first_row[:-1].tolist():
                yield fold(self.table.column("surface")[row].as_py())
            yield from self._extra_words

        return Matcher(words())

    @cached_property
    def _patterns(self) -> np.ndarray:
        return number_patterns(folded(self.table))

    @property
    def _num_patterns(self) -> int:
        return int(self._patterns[-1])

    @cached_property
    def _first_row(self) -> np.ndarray:
        """[patterns + 1] the rows of pattern i begin at the i-th."""
        return np.searchsorted(self._patterns, np.arange(self._num_patterns + 1))

    @cached_property
    def _blocked(self) -> Collection[int]:
        return set(self._patterns[:-1][self._labels == 0].tolist())

    @cached_property
    def _words_required(self) -> dict[int, tuple[str, ...]]:
        """For rows that require words, these in folded form."""
        column = self.table.column("requires").to_numpy(zero_copy_only=False)
        return {row: tuple(fold(word) for word in column[row].split(BETWEEN)) for row in np.flatnonzero(column != "").tolist()}

    @cached_property
    def _extra_words(self) -> list[str]:
        """Words that are looked for only because terms require them, or that are terms as well."""
        return sorted({word for words in self._words_required.values() for word in words})

    @cached_property
    def _context_words(self) -> Collection[int]:
        return range(self._num_patterns, self._num_patterns + len(self._extra_words))

    @cached_property
    def _requires(self) -> dict[int, tuple[int, ...]]:
        number = {word: self._num_patterns + index for index, word in enumerate(self._extra_words)}
        return {row: tuple(number[word] for word in words) for row, words in self._words_required.items()}

    @cached_property
    def _labels(self) -> np.ndarray:
        return self._column("label")

    @cached_property
    def _listed(self) -> np.ndarray:
        return np.asarray(self.table.column("listed").to_numpy(zero_copy_only=False))

    def _column(self, name: str) -> np.ndarray:
        return np.asarray(self.table.column(name).to_numpy().astype(np.int64))

    def is_from(self, texts: Sequence[str]) -> np.ndarray:
        """[texts] whether the counts of its terms come from each of these texts among others."""
        return np.isin(text_hashes(texts), self.sources)

    def to_config(self) -> dict[str, Any]:
        """What a composite's configuration says about it; the terms themselves are in a file beside."""
        return {"terms": len(self), "by_label": self.counts_by_label, "fitted_on": self.reliability.hits}

    def save(self, path: str | Path) -> None:
        """Write a Parquet file; it appears under its name only when it is whole."""
        content = {"labels": self.labels, "reliability": self.reliability.to_dict(), "sources": self.sources.tobytes().hex()}
        table = self.table.replace_schema_metadata({_METADATA: json.dumps(content, ensure_ascii=False).encode()})
        with atomic_write(path) as unfinished:
            pq.write_table(table, unfinished, compression="zstd")

    @classmethod
    def load(cls, path: str | Path) -> Gazetteer:
        """Read what `save` wrote.

        Raises:
            DataError: the file is missing, damaged or no gazetteer.
        """
        try:
            with pq.ParquetFile(path) as file:
                metadata = (file.schema_arrow.metadata or {}).get(_METADATA)
                if metadata is None or file.schema_arrow.remove_metadata() != SCHEMA:
                    raise DataError("this Parquet file holds no gazetteer; `hybridner gazetteer build` makes one", str(path))
                if not 0 < file.metadata.num_rows <= _MAX_TERMS:
                    raise DataError(f"says that it holds {file.metadata.num_rows:,} terms", str(path))
                table = file.read().replace_schema_metadata(None)
            content = json.loads(metadata)
            labels = tuple(content["labels"])
            reliability = Reliability.from_dict(content["reliability"])
            sources = np.frombuffer(bytes.fromhex(content["sources"]), dtype=np.uint64)
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
            raise DataError(f"cannot be read as a gazetteer: {error}", str(path)) from error
        numbers = table.column("label").fill_null(-1).to_numpy()
        has_gaps = any(column.null_count for column in table.columns)
        if reliability.num_labels != len(labels) or has_gaps or numbers.min() < 0 or numbers.max() > len(labels):
            raise DataError("its terms and its labels do not go together; it is damaged", str(path))
        return cls(labels, table, reliability, sources)


def _stands_near(words: Sequence[int], places: dict[int, list[int]], start: int, end: int) -> bool:
    """Whether one of the words begins within `CONTEXT` characters of [start, end), or inside it."""
    for word in words:
        starts = places.get(word, [])
        at = bisect_left(starts, start - CONTEXT)
        if at < len(starts) and starts[at] <= end + CONTEXT:
            return True
    return False


def text_hashes(texts: Iterable[str]) -> np.ndarray:
    """[texts] 64-bit hashes."""
    digests = (blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype=np.uint64)
