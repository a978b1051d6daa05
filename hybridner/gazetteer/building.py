"""A gazetteer from labelled texts, with counts and a reliability that no text had a part in by terms of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from hybridner.data.terms import Term
from hybridner.errors import DataError
from hybridner.gazetteer.gazetteer import Gazetteer, text_hashes
from hybridner.gazetteer.hits import Hits, Integers
from hybridner.gazetteer.reliability import Reliability
from hybridner.gazetteer.table import SCHEMA, make_table
from hybridner.spans import Record


def build_gazetteer(
    records: Sequence[Record], labels: Sequence[str], *, lists: Iterable[Term] = (), min_count: int = 1
) -> Gazetteer:
    """The entities of labelled texts as terms, with the terms of lists; and their reliability, fitted on the same texts.

    Each text is judged by what the gazetteer would hold without its document: a term that only occurs there is not known to it.

    Args:
        records: labelled texts.
        labels: the K names.
        lists: further terms.
        min_count: entities that occur less often are left out.

    Raises:
        DataError: no term at all, or a label that is none of the K names.

    Examples:
        >>> from hybridner.data.terms import Term
        >>> gazetteer = build_gazetteer(records, ["Place", "State"], lists=[Term("大马士革", "Place")])
        >>> gazetteer.counts_by_label
        {'Place': 3, 'State': 2}
    """
    listed = list(lists)
    gazetteer = _from_records(records, labels, min_count)
    if gazetteer is None:
        return Gazetteer.from_terms(listed, labels)
    if listed:
        gazetteer = gazetteer.with_terms(listed)
    gazetteer = _counted(gazetteer, records)
    hits, gold = sample_hits(gazetteer, records)
    return gazetteer.with_reliability(Reliability.fit(hits, gold, len(gazetteer.labels)))


def refit(gazetteer: Gazetteer, records: Sequence[Record]) -> Gazetteer:
    """With its reliability fitted on other labelled texts, or on the same ones as `build_gazetteer` does.

    Args:
        gazetteer: stays as it is.
        records: labelled texts.

    Examples:
        >>> from hybridner.data.terms import Term
        >>> gazetteer = Gazetteer.from_terms([Term("叙利亚", "Place")], ["Place", "State"])
        >>> refit(gazetteer, records).reliability.hits
        12
    """
    hits, gold = sample_hits(gazetteer, records)
    return gazetteer.with_reliability(Reliability.fit(hits, gold, len(gazetteer.labels)))


def sample_hits(gazetteer: Gazetteer, records: Sequence[Record]) -> tuple[Hits, Integers]:
    """The hits in labelled texts, by terms that do not come from the texts themselves, and [H] the true label's number there."""
    texts = [record.text for record in records]
    hits = gazetteer.find(texts)
    gold = true_labels(hits, records, gazetteer.labels)
    own = np.where(gazetteer.is_from(texts), document_numbers(records), -1)
    left = hits.without_own(own, gold == hits.labels)
    return left, true_labels(left, records, gazetteer.labels)


def true_labels(hits: Hits, records: Sequence[Record], labels: Sequence[str]) -> Integers:
    """[H] number of the label that gold has at each hit's place, 0 for none; of several the hit's own where it is among them."""
    number = {name: index for index, name in enumerate(labels, 1)}
    gold: dict[tuple[int, int, int], set[int]] = {}
    for row, record in enumerate(records):
        for span in record.entities:
            gold.setdefault((row, span.start, span.end), set()).add(number[span.label])
    found = np.zeros(len(hits), dtype=np.int64)
    for index, (place, label) in enumerate(zip(hits.places.tolist(), hits.labels.tolist(), strict=True)):
        known = gold.get(tuple(place))
        if known:
            found[index] = label if label in known else min(known)
    return found


def document_numbers(records: Sequence[Record]) -> Integers:
    """[records] the same number for texts of one document; a text without one is a document by itself."""
    names = [record.group or record.text for record in records]
    first = {name: number for number, name in reversed(list(enumerate(names)))}
    return np.array([first[name] for name in names], dtype=np.int64)


def _from_records(records: Sequence[Record], labels: Sequence[str], min_count: int) -> Gazetteer | None:
    number = {name: index for index, name in enumerate(labels, 1)}
    surfaces, numbers = [], []
    for record in records:
        for start, end, label in record.entities:
            if label not in number:
                raise DataError(f"the label {label!r} of a text is none of {', '.join(labels)}", record.id)
            word = record.text[start:end]
            if word == word.strip():
                surfaces.append(word)
                numbers.append(number[label])
    if not surfaces:
        return None
    table = make_table(surfaces, numbers, [1] * len(surfaces), np.zeros(len(surfaces), dtype=bool))
    table = table.filter(pa.array(table.column("count").to_numpy() >= min_count))
    if not table.num_rows:
        return None
    sources = np.unique(text_hashes(record.text for record in records))
    return Gazetteer(tuple(labels), table, Reliability.assumed(len(labels)), sources)


def _counted(gazetteer: Gazetteer, records: Sequence[Record]) -> Gazetteer:
    """With `count` and `seen` as its hits in the texts give them."""
    hits = gazetteer.find([record.text for record in records])
    right = true_labels(hits, records, gazetteer.labels) == hits.labels
    size = len(gazetteer)
    counts = np.bincount(hits.terms, weights=right, minlength=size)
    table = gazetteer.table
    for name, values in (("count", counts), ("seen", np.bincount(hits.terms, minlength=size))):
        place = SCHEMA.get_field_index(name)
        table = table.set_column(place, SCHEMA.field(place), pa.array(values.astype(np.int64), SCHEMA.field(place).type))
    return replace(gazetteer, table=table)
