"""The table in which a visitor corrects a result, and the review that it amounts to, which `hybridner learn` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hybridner.data.feedback import Review, ReviewedEntity
from hybridner.llm import VerifiedCandidate
from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.errors import VisitorError
from hybridner.spans import LabelSet, Span

#: Number of the entity (none for one that the model missed), word, type, and whether it is one.
Row = list[Any]
_COLUMNS = 4


def review_rows(analyzed: AnalyzedText, name: Callable[[str], str]) -> list[Row]:
    """One row for each entity, all said to be right; `name` gives what a label is called on the page."""
    return [
        [number, analyzed.text[item.candidate.start : item.candidate.end], name(item.candidate.label), True]
        for number, item in enumerate(analyzed.entities, start=1)
    ]


def translate_rows(rows: Iterable[Row], labels: LabelSet, name: Callable[[str], str]) -> list[Row]:
    """The rows as the visitor left them, with the types that are known called as `name` says."""
    types = _types_by_name(labels)
    translated = []
    for row in rows:
        number, word, given, is_right = _cells(row)
        known = types.get(_strip(given))
        translated.append([number, word, name(known) if known else given, is_right])
    return translated


def review_from_rows(analyzed: AnalyzedText, rows: Iterable[Row], labels: LabelSet, *, complete: bool) -> Review:
    """The review that a visitor's rows amount to.

    A row as it was made accepts its entity; another word or type corrects it; without the tick it is deleted; a row without a
    number adds an entity. A word stands where it is nearest to the entity it replaces; an added one where it first occurs without
    being in the table already. Entities whose row is gone were not reviewed.

    Args:
        analyzed: what the rows were made of.
        rows: as the visitor left them.
        labels: the model's types; a row may call one by its name or its Chinese title.
        complete: whether everything else in the text is no entity.

    Raises:
        VisitorError: a word that is not in the text, a type that the model does not know, or an entity given twice.
    """
    types = _types_by_name(labels)
    reviewed: list[ReviewedEntity] = []
    added: list[tuple[str, str]] = []
    for number, cell, given, is_right in map(_cells, rows):
        word = _strip(cell)
        item = _find_entity(analyzed, number)
        if item is None:
            if word:
                added.append((word, _find_type(given, types)))
            continue
        candidate, llm = item.candidate, item.provenance.llm_label
        found = Span(candidate.start, candidate.end, candidate.label)
        if is_right not in (True, "true", "True"):
            reviewed.append(ReviewedEntity(found, "deleted", None, llm))
            continue
        start = _find_nearest(analyzed.text, word, found.start)
        span = Span(start, start + len(word), _find_type(given, types))
        if span == found:
            reviewed.append(ReviewedEntity(span, "accepted", None, llm))
        else:
            reviewed.append(ReviewedEntity(span, "corrected", found, llm))
    for word, label in added:
        taken = {(entity.span.start, entity.span.end) for entity in reviewed}
        places = [start for start in _find_all(analyzed.text, word) if (start, start + len(word)) not in taken]
        start = places[0] if places else _find_nearest(analyzed.text, word, 0)
        reviewed.append(ReviewedEntity(Span(start, start + len(word), label), "added"))
    _check_no_duplicates(analyzed.text, reviewed)
    return Review(analyzed.text, tuple(reviewed), complete)


def _cells(row: Row) -> Row:
    """Exactly as many cells as there are columns, whatever a visitor's program sent."""
    return [*row, *[None] * _COLUMNS][:_COLUMNS]


def _find_entity(analyzed: AnalyzedText, number: object) -> VerifiedCandidate | None:
    """The entity that a row is about."""
    try:
        index = int(float(str(number))) - 1
    except (ValueError, OverflowError):
        return None
    return analyzed.entities[index] if 0 <= index < len(analyzed.entities) else None


def _types_by_name(labels: LabelSet) -> dict[str, str]:
    """The name of each type by what a row may call it."""
    return {name: label.name for label in labels.labels for name in (label.name, label.title) if name}


def _strip(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def _find_type(given: object, types: Mapping[str, str]) -> str:
    name = _strip(given)
    if name not in types:
        raise VisitorError("review_type", type=name or "–", types=", ".join(dict.fromkeys(types.values())))
    return types[name]


def _find_all(text: str, word: str) -> list[int]:
    return [start for start in range(len(text)) if word and text.startswith(word, start)]


def _find_nearest(text: str, word: str, start: int) -> int:
    places = _find_all(text, word)
    if not places:
        raise VisitorError("review_word", word=word or "–")
    return min(places, key=lambda place: abs(place - start))


def _check_no_duplicates(text: str, reviewed: Sequence[ReviewedEntity]) -> None:
    seen: set[tuple[int, int]] = set()
    for entity in reviewed:
        place = (entity.span.start, entity.span.end)
        if place in seen:
            raise VisitorError("review_twice", word=text[slice(*place)])
        seen.add(place)
