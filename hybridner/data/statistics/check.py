"""Contradictions in labelled records that a reader should see before anything is trained on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hybridner.spans import Record

_SHOWN = 3


def find_conflicts(records: Sequence[Record]) -> Iterator[str]:
    """One line for each kind of contradiction: texts annotated in two ways, labels that differ only in how they are written."""
    by_text: dict[str, set[tuple[object, ...]]] = {}
    for record in records:
        by_text.setdefault(record.text, set()).add(record.entities)
    twice = [text for text, annotations in by_text.items() if len(annotations) > 1]
    if twice:
        yield f"{len(twice)} texts stand in it more than once with different entities, such as {_shown(twice)}"
    alike: dict[str, set[str]] = {}
    for label in {span.label for record in records for span in record.entities}:
        alike.setdefault(label.casefold().replace("_", " ").replace("-", " ").strip(), set()).add(label)
    for labels in alike.values():
        if len(labels) > 1:
            yield f"labels that differ only in how they are written: {', '.join(sorted(map(repr, labels)))}"


def _shown(texts: Sequence[str]) -> str:
    return ", ".join(repr(text[:30]) for text in texts[:_SHOWN])
