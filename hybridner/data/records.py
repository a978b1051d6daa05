"""From the raw entities of any format to a checked record: offsets, then repairs by rule, then the label map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hybridner.data.formats.base import AnnotatedRecord, Conventions, EntityScore, RawEntity, RawRecord
from hybridner.data.offsets import (
    MEANING,
    Offsets,
    Place,
    agree_exactly,
    agrees,
    fitting_offsets,
    is_astral,
    is_shifted,
    to_characters,
)
from hybridner.data.options import ReadOptions
from hybridner.errors import DataError
from hybridner.spans import Record, Span, checked_record
from hybridner.text.surrogates import replace_surrogates


def build_record(raw: RawRecord, options: ReadOptions, conventions: Conventions = Conventions()) -> Record:  # noqa: B008
    """The checked record; see `build_annotated`."""
    return build_annotated(raw, options, conventions).record


def build_annotated(raw: RawRecord, options: ReadOptions, conventions: Conventions = Conventions()) -> AnnotatedRecord:  # noqa: B008
    """The checked record of what stands in a file, with scores and proposals where the file has them.

    Raises:
        DataError: an unknown defect, a word that is not at its offsets, an unmapped label, or any repair in a strict reading.
    """
    if not isinstance(raw.text, str):
        raise DataError(f"`text` must be a string, not {type(raw.text).__name__}", raw.where)
    text = _clean(raw.text, options, raw.where)
    scores: dict[Span, EntityScore] = {}
    spans = _spans(text, raw.entities, raw.where, options, conventions, scores)
    proposed = None
    if raw.proposed is not None:
        proposed = tuple(sorted(_spans(text, raw.proposed, f"{raw.where}, predictions", options, conventions, {})))
    id, group = (_clean(name, options, raw.where) for name in (raw.id, raw.group))
    record = checked_record(text, spans, id=id, group=group, where=raw.where)
    return AnnotatedRecord(record, scores, proposed)


def _clean(text: str, options: ReadOptions, where: str) -> str:
    text, halves = replace_surrogates(text)
    for _ in range(halves):
        options.repairs.add("lone_surrogate", where)
    return text


def _spans(
    text: str,
    entities: Sequence[RawEntity],
    where: str,
    options: ReadOptions,
    conventions: Conventions,
    scores: dict[Span, EntityScore],
) -> list[Span]:
    """The entities after every repair, in the file's order; what a model said about them is put into `scores`."""
    offsets = _offsets(text, entities, where, options, conventions)
    found: dict[Span, EntityScore | None] = {}
    for number, entity in enumerate(entities):
        at = f"{where}, {entity.place or f'entity {number}'}"
        if not isinstance(entity.label, str) or not entity.label:
            raise DataError(f"`label` must be a non-empty string, not {entity.label!r}", at)
        start, end = _translated(text, entity, offsets, at)
        label = _clean(entity.label, options, at)
        span = _repaired(text, Span(start, end, label), at, options, conventions.repairs)
        if span is None:
            continue
        if span in found:
            options.repairs.add("duplicate_entity", at)
            continue
        found[span] = entity.score
    mapped = found if options.label_map is None else _mapped(found, options.label_map, where, options)
    scores.update({span: score for span, score in mapped.items() if score is not None})
    return list(mapped)


def _translated(text: str, entity: RawEntity, offsets: Offsets, where: str) -> tuple[int, int]:
    if not _is_place(entity):
        raise DataError(f"`start` and `end` must be whole numbers, not {entity.start!r} and {entity.end!r}", where)
    translated = to_characters(text, entity.start, entity.end, offsets)
    if translated is None:
        raise DataError(
            f"[{entity.start}, {entity.end}) cuts a character in two or lies behind the text ({MEANING[offsets]})", where
        )
    return translated


def _is_place(entity: RawEntity) -> bool:
    return type(entity.start) is int and type(entity.end) is int


def _offsets(text: str, entities: Sequence[RawEntity], where: str, options: ReadOptions, conventions: Conventions) -> Offsets:
    """How the offsets of a record are counted.

    Raises:
        DataError: a word is not at its offsets; the message says under which way of counting all of them would be.
    """
    offsets = options.offsets or conventions.offsets
    numbered = [(n, e, (e.start, e.end, _word(e))) for n, e in enumerate(entities) if _is_place(e)]
    places: list[Place] = [place for _, _, place in numbered]
    with_words = [place for place in places if place[2] is not None]
    wrong = next(((n, e, p) for n, e, p in numbered if p[2] is not None and not agrees(text, p, offsets)), None)
    if wrong is not None:
        number, entity, place = wrong
        fitting = fitting_offsets(text, with_words)
        if "utf-16" in fitting and "exclusive" not in fitting and options.offsets is None:
            options.repairs.add("utf16_offsets", where)
            return "utf-16"
        raise _wrong_word(text, place, offsets, fitting, f"{where}, {entity.place or f'entity {number}'}")
    may_be_utf16 = options.offsets is None and offsets == "exclusive" and is_astral(text)
    if may_be_utf16 and agree_exactly(text, with_words, "utf-16") and not agree_exactly(text, with_words, offsets):
        options.repairs.add("utf16_offsets", where)
        return "utf-16"
    if may_be_utf16 and conventions.utf16 and not with_words:
        fits = fitting_offsets(text, places)
        if "utf-16" in fits and "exclusive" not in fits:
            options.repairs.add("utf16_offsets", where)
            return "utf-16"
        if "utf-16" in fits and any(is_shifted(text, place) for place in places):
            options.repairs.add("uncertain_offsets", where)
    return offsets


def _word(entity: RawEntity) -> str | None:
    return None if entity.word is None else replace_surrogates(entity.word)[0]


def _wrong_word(text: str, place: Place, offsets: Offsets, fitting: Sequence[Offsets], where: str) -> DataError:
    start, end, word = place
    translated = to_characters(text, start, end, offsets) or (start, end)
    found = text[max(0, translated[0]) : max(0, translated[1])]
    problem = f"the text at [{translated[0]}, {translated[1]}) is {found!r}, not {word!r}"
    others = [name for name in fitting if name != offsets]
    if others:
        problem += (
            f"; all words of this record are where they should be if offsets are counted as {others[0]} ({MEANING[others[0]]}): "
            f"`hybridner data convert FILE OUT.jsonl --to jsonl --offsets {others[0]}` puts them right "
            f'(in Python: offsets="{others[0]}")'
        )
    elif word and word in text:
        problem += f"; {word!r} stands at {text.index(word)}, so the offsets or the text were changed"
    return DataError(problem, where)


def _repaired(text: str, span: Span, where: str, options: ReadOptions, known: frozenset[str]) -> Span | None:
    start, end, label = span
    if not known:
        return span
    if end == start and "empty_span" in known:
        options.repairs.add("empty_span", where)
        return None
    if 0 <= start < end and end > len(text) and "out_of_range" in known:
        options.repairs.add("out_of_range", where)
        return None
    if "edge_space" in known and 0 <= start < end:
        word = text[start:end]
        if not word.strip():
            options.repairs.add("only_space", where)
            return None
        if word != word.strip():
            options.repairs.add("edge_space", where)
            start += len(word) - len(word.lstrip())
            end -= len(word) - len(word.rstrip())
    return Span(start, end, label)


def _mapped(
    spans: Mapping[Span, EntityScore | None], label_map: Mapping[str, str | None], where: str, options: ReadOptions
) -> dict[Span, EntityScore | None]:
    mapped: dict[Span, EntityScore | None] = {}
    for span, score in spans.items():
        if span.label not in label_map:
            raise DataError(f"unknown label {span.label!r}; known are {', '.join(label_map)}", where)
        name = label_map[span.label]
        if name is None:
            options.repairs.add("unmapped_label", where)
        elif (renamed := span._replace(label=name)) in mapped:
            options.repairs.add("merged_by_map", where)
        else:
            mapped[renamed] = score
    return mapped
