"""What a visitor says about the entities of a text, as a review that `hybridner learn` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hybridner.data.feedback import Review, ReviewedEntity
from hybridner.space.limits import LimitError
from hybridner.space.reading import Reading
from hybridner.spans import LabelSet, Span

#: Number of the entity (none for one that the model missed), word, type, and whether it is one.
Row = list[Any]


def review_rows(reading: Reading, name: Callable[[str], str]) -> list[Row]:
    """One row for each entity, all said to be right; `name` gives what a label is called on the page."""
    return [
        [number, reading.text[item.candidate.start : item.candidate.end], name(item.candidate.label), True]
        for number, item in enumerate(reading.entities, start=1)
    ]


def reworded_rows(rows: Iterable[Row], labels: LabelSet, name: Callable[[str], str]) -> list[Row]:
    """The rows as the visitor left them, with the types that are known called as `name` says."""
    types = _types(labels)
    return [[row[0], row[1], name(types[said]) if (said := _stripped(row[2])) in types else row[2], row[3]] for row in rows]


def review_of(reading: Reading, rows: Iterable[Row], labels: LabelSet, *, complete: bool) -> Review:
    """The review that a visitor's rows amount to.

    A row as it was made accepts its entity; another word or type corrects it; without the tick it is deleted; a row without a
    number adds an entity. A word stands where it is nearest to the entity it replaces; an added one where it first occurs without
    being in the table already. Entities whose row is gone were not judged.

    Args:
        reading: what the rows were made of.
        rows: as the visitor left them.
        labels: the model's types; a row may call one by its name or its Chinese title.
        complete: whether everything else in the text is no entity.

    Raises:
        LimitError: a word that is not in the text, a type that the model does not know, or an entity given twice.
    """
    types = _types(labels)
    judged: list[ReviewedEntity] = []
    added: list[tuple[str, str]] = []
    for row in rows:
        word, right = _stripped(row[1]), row[3] in (True, "true", "True", 1)
        item = _item(reading, row[0])
        if item is None:
            if word:
                added.append((word, _type(row[2], types)))
            continue
        candidate, llm = item.candidate, item.provenance.llm_label
        found = Span(candidate.start, candidate.end, candidate.label)
        if not right:
            judged.append(ReviewedEntity(found, "deleted", None, llm))
            continue
        start = _nearest(reading.text, word, found.start)
        span = Span(start, start + len(word), _type(row[2], types))
        verdict = ReviewedEntity(span, "accepted", None, llm) if span == found else ReviewedEntity(span, "corrected", found, llm)
        judged.append(verdict)
    for word, label in added:
        taken = {(entity.span.start, entity.span.end) for entity in judged}
        places = [start for start in _places(reading.text, word) if (start, start + len(word)) not in taken]
        start = places[0] if places else _nearest(reading.text, word, 0)
        judged.append(ReviewedEntity(Span(start, start + len(word), label), "added"))
    _check_once(reading.text, judged)
    return Review(reading.text, tuple(judged), complete)


def _item(reading: Reading, number: object) -> Any:
    """The entity that a row is about."""
    try:
        index = int(float(str(number))) - 1
    except ValueError:
        return None
    return reading.entities[index] if 0 <= index < len(reading.entities) else None


def _types(labels: LabelSet) -> dict[str, str]:
    """The name of each type by what a row may call it."""
    return {name: label.name for label in labels.labels for name in (label.name, label.title) if name}


def _stripped(cell: object) -> str:
    return str(cell or "").strip()


def _type(said: object, types: Mapping[str, str]) -> str:
    name = _stripped(said)
    if name not in types:
        raise LimitError("review_type", type=name or "–", types=", ".join(dict.fromkeys(types.values())))
    return types[name]


def _places(text: str, word: str) -> list[int]:
    return [start for start in range(len(text)) if word and text.startswith(word, start)]


def _nearest(text: str, word: str, start: int) -> int:
    places = _places(text, word)
    if not places:
        raise LimitError("review_word", word=word or "–")
    return min(places, key=lambda place: abs(place - start))


def _check_once(text: str, judged: Sequence[ReviewedEntity]) -> None:
    seen: set[tuple[int, int]] = set()
    for entity in judged:
        place = (entity.span.start, entity.span.end)
        if place in seen:
            raise LimitError("review_twice", word=text[slice(*place)])
        seen.add(place)
