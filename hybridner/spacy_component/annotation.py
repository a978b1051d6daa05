"""Entities of a text as spans of a spaCy document: alignment to its tokens, and what is known beside the label."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Literal, get_args

from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from hybridner.errors import ModelError
from hybridner.hybrid.entity_dicts import Entity

#: What becomes of an entity that begins or ends inside a token.
AlignmentMode = Literal["strict", "contract", "expand"]
ALIGNMENT_MODES: tuple[AlignmentMode, ...] = get_args(AlignmentMode)

#: `doc._.hybrid_ner_alignment` counts the entities by how their borders met those of tokens.
ALIGNMENT = "hybrid_ner_alignment"
_SPAN_EXTENSIONS = ("score", "uncertainty", "provenance")
#: Of an entity's keys those that spaCy has a place for.
_IN_SPAN = {"entity_group", "score", "uncertainty"}


def register_extensions() -> None:
    """Give spans `_.score`, `_.uncertainty` and `_.provenance`, and documents `_.hybrid_ner_alignment`.

    Raises:
        ModelError: another component has given one of these names to something that cannot be set.
    """
    for holder, names in ((Span, _SPAN_EXTENSIONS), (Doc, (ALIGNMENT,))):
        for name in names:
            if not holder.has_extension(name):
                holder.set_extension(name, default=None)
            elif any(part is not None for part in holder.get_extension(name)[1:]):
                raise ModelError(
                    f"{holder.__name__}._.{name} has been registered as a method or property; hybrid_ner keeps the {name} of "
                    f"entities there, so remove it with {holder.__name__}.remove_extension({name!r})"
                )


def annotate(doc: Doc, entities: Sequence[Entity], *, spans_key: str, alignment_mode: AlignmentMode, overwrite_ents: bool) -> Doc:
    """Write the entities of a document's text into the document.

    Args:
        doc: the document.
        entities: of `doc.text`, as the pipeline gives them.
        spans_key: all aligned entities go to `doc.spans[spans_key]`, nested ones too.
        alignment_mode: what becomes of one that begins or ends inside a token: "expand" takes in the whole token, "contract"
            leaves it out, "strict" drops the entity. Where two come to the same tokens, the one of the higher score stays.
        overwrite_ents: `doc.ents` gets those that do not overlap, the longest first. Where one overlaps an entity that the
            document had, the new one counts if this is true, else the old one.
    """
    tokens = [(token.idx, token.idx + len(token)) for token in doc]
    found: dict[tuple[int, int], Span] = {}
    counts = Counter({"exact": 0, "moved": 0, "dropped": 0})
    for entity in sorted(entities, key=lambda one: -one["score"]):
        place, how = align((entity["start"], entity["end"]), tokens, alignment_mode)
        if place is None or place in found:
            counts["dropped"] += 1
            continue
        counts[how] += 1
        span = Span(doc, *place, label=entity["entity_group"])
        span._.score, span._.uncertainty = entity["score"], entity["uncertainty"]
        span._.provenance = {name: value for name, value in entity.items() if name not in _IN_SPAN}
        found[place] = span
    spans = [found[key] for key in sorted(found, key=lambda key: (key[0], -key[1]))]
    doc.spans[spans_key] = spans
    doc.set_ents(_flat(spans, doc.ents, overwrite_ents))
    doc._.set(ALIGNMENT, dict(counts))
    return doc


def align(place: tuple[int, int], tokens: Sequence[tuple[int, int]], mode: AlignmentMode) -> tuple[tuple[int, int] | None, str]:
    """The tokens of an entity.

    Args:
        place: its characters [start, end).
        tokens: the characters [start, end) of each token, in order, with or without spaces between them.
        mode: what becomes of an entity that begins or ends inside a token.

    Returns:
        its tokens [first, last), None where the mode leaves none; and "exact", "moved" or "dropped".

    Examples:
        >>> align((0, 3), [(0, 2), (2, 4)], "expand")
        ((0, 2), 'moved')
    """
    start, end = place
    # Those that it touches: from the first that ends after its start to the last that begins before its end.
    first, last = bisect_right(tokens, start, key=itemgetter(1)), bisect_left(tokens, end, key=itemgetter(0))
    if first < last and (tokens[first][0], tokens[last - 1][1]) == place:
        return (first, last), "exact"
    if mode == "contract":
        first += first < len(tokens) and tokens[first][0] < start
        last -= last > 0 and tokens[last - 1][1] > end
    return ((first, last), "moved") if mode != "strict" and first < last else (None, "dropped")


def _flat(spans: Iterable[Span], before: Iterable[Span], overwrite: bool) -> list[Span]:
    """Spans that do not overlap, of the new ones and those before; of two that do, the kind that counts more, then the longer."""
    first, second = (spans, before) if overwrite else (before, spans)
    chosen = filter_spans(first)
    taken = {token for span in chosen for token in range(span.start, span.end)}
    return [*chosen, *filter_spans(span for span in second if taken.isdisjoint(range(span.start, span.end)))]
