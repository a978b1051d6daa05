"""The relations between annotated entities, from corpora of marked-up text and from prepared data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hybridner.data.formats import detect_format
from hybridner.data.formats.columns import iter_column_rows, label_names
from hybridner.data.formats.markup import FORMAT as MARKUP
from hybridner.data.formats.markup import Sentence, is_corpus, read_corpus
from hybridner.data.options import ReadOptions
from hybridner.errors import DataError
from hybridner.spans import Span

_COLUMN = "relations"


class LabelledRelation(NamedTuple):
    """A relation between two entities of a text.

    Attributes:
        record: id of the text.
        head, tail: the entities that it starts from and leads to.
        type: what it says, such as "carries".
    """

    record: str
    head: Span
    tail: Span
    type: str


def iter_relations(path: str | Path, options: ReadOptions | None = None) -> Iterator[LabelledRelation]:
    """The relations in a file or folder; nothing where its format has none.

    Args:
        path: marked-up text (a file, or a folder of them), Parquet with a column `relations`, or a folder of `save_to_disk`.
        options: how it is read; labels are renamed by its label map.

    Raises:
        DataError: a relation between entities that are not there.
    """
    path, options = Path(path), options or ReadOptions()
    kind = MARKUP.name if is_corpus(path) else detect_format(path, options).format
    if kind == MARKUP.name:
        yield from relations_of(sentence for document in read_corpus(path, options) for sentence in document.sentences)
    elif kind in ("parquet", "saved"):
        yield from _of_rows(path, options.label_map)


def relations_of(sentences: Iterable[Sentence]) -> Iterator[LabelledRelation]:
    """The relations of sentences of a corpus."""
    for sentence in sentences:
        spans = sentence.record.entities
        for relation in sentence.relations:
            yield LabelledRelation(sentence.record.id, spans[relation.head], spans[relation.tail], relation.type)


def _of_rows(path: Path, label_map: Mapping[str, str | None] | None) -> Iterator[LabelledRelation]:
    features, rows = iter_column_rows(path)
    labels, types = label_names(features, "entities"), label_names(features, _COLUMN)
    for number, row in enumerate(rows):
        entities = row.get("entities") or []
        for relation in row.get(_COLUMN) or []:
            where = f"{path}, row {number}"
            ends = [_entity(entities, relation[end], labels, where) for end in ("head", "tail")]
            if label_map is not None:
                ends = [span._replace(label=name) for span in ends if (name := label_map.get(span.label))]
            if len(ends) == 2:  # a label that is left out takes its relations with it
                yield LabelledRelation(str(row.get("id", number)), ends[0], ends[1], _named(relation["type"], types, where))


def _entity(entities: Any, number: Any, labels: Any, where: str) -> Span:
    if type(number) is not int or not 0 <= number < len(entities):
        raise DataError(f"a relation names entity {number!r} of {len(entities)}", where)
    one = entities[number]
    return Span(one["start"], one["end"], _named(one["label"], labels, where))


def _named(value: Any, names: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    if type(value) is not int or not 0 <= value < len(names):
        raise DataError(f"number {value!r} has no name among the {len(names)} of the features", where)
    return str(names[value])
