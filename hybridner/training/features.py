"""From records to what a composite is trained on: pieces that fit its encoders, token ids, labels, and padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hybridner.hybrid import HybridNerModel
from hybridner.models.span_scoring import UNKNOWN
from hybridner.spans import Record, Span, Unsure
from hybridner.spans.tags import spans_to_tags
from hybridner.text import cut_windows

#: Marks rows of a span table that hold no span.
NO_SPAN = -1

Feature = dict[str, Any]


def fit_record(record: Record, max_characters: int) -> list[Record]:
    """The record in pieces of at most `max_characters`, cut after a sentence end where possible.

    A cut moves to where it crosses no entity. Left out are only entities longer than a whole piece, and those that
    overlap each other in a chain longer than a piece; `lost_entities` counts them.
    """
    if len(record.text) <= max_characters:
        return [record]
    fitting = [span for span in record.entities if span.end - span.start <= max_characters]
    pieces = []
    start = 0
    while start < len(record.text):
        window = cut_windows(record.text[start : start + 2 * max_characters], max_characters, 0)[0]
        furthest = min(start + max_characters, len(record.text))
        end = _without_crossing(fitting, start, start + window.own_end, furthest)
        entities = tuple(Span(s.start - start, s.end - start, s.label) for s in fitting if start <= s.start and s.end <= end)
        unsure = tuple(
            Unsure(max(u.start, start) - start, min(u.end, end) - start, u.weight)
            for u in record.unsure
            if u.start < end and start < u.end
        )
        pieces.append(Record(record.text[start:end], entities, record.id, record.group, unsure))
        start = end
    return pieces


def _without_crossing(spans: Sequence[Span], start: int, end: int, furthest: int) -> int:
    """The last position after `start` and up to `end` that lies inside no span, else the first one up to `furthest`; where there
    is none, the one inside the fewest."""
    near = [span for span in spans if start <= span.start < furthest]

    def crossed(cut: int) -> int:
        return sum(span.start < cut < span.end for span in near)

    cuts: list[int] = [*range(end, start, -1), *range(end + 1, furthest + 1)]
    return min(cuts, key=crossed)


def lost_entities(records: Sequence[Record], max_characters: int) -> int:
    """How many entities `fit_record` leaves out."""
    return sum(
        len(record.entities) - sum(len(piece.entities) for piece in fit_record(record, max_characters)) for record in records
    )


def make_features(records: Sequence[Record], model: HybridNerModel) -> list[Feature]:
    """One feature per piece of a record.

    Returns:
        `input_ids`, V token ids for each position; `tags`, BIO tag numbers; `spans`, lists of [start, end, label number from 1];
        `unsure`, lists of (start, end, weight).
    """
    names = model.config.labels.names
    number = {name: index + 1 for index, name in enumerate(names)}
    return [
        {
            "input_ids": list(
                zip(*(vocabulary.encode(model.normalize(piece.text)) for vocabulary in model.vocabularies), strict=True)
            ),
            "tags": spans_to_tags(piece.entities, len(piece.text), names),
            "spans": [[span.start, span.end, number[span.label]] for span in piece.entities],
            "unsure": list(piece.unsure),
        }
        for record in records
        for piece in fit_record(record, model.max_characters)
        if piece.text
    ]


class Collator:
    """Pads features into the tensors of `HybridNerModel.forward`.

    Labels of weight w where the text is unsure are shown with probability w each time, and else not known: the expected loss is
    the weighted one, for taggers and SpanNER alike.
    """

    def __init__(self, model: HybridNerModel) -> None:
        self.pad = [vocabulary.pad for vocabulary in model.vocabularies]

    def __call__(self, features: Sequence[Feature]) -> dict[str, Tensor]:
        features = [hide_unsure(feature) for feature in features]
        layers = [
            pad_rows([[ids[layer] for ids in feature["input_ids"]] for feature in features], pad)
            for layer, pad in enumerate(self.pad)
        ]
        lengths = torch.tensor([len(feature["input_ids"]) for feature in features])
        return {
            "input_ids": torch.stack(layers, dim=1),
            "attention_mask": (torch.arange(layers[0].size(1)) < lengths[:, None]).long(),
            "tag_labels": pad_rows([feature["tags"] for feature in features], 0),
            "span_labels": pad_spans([feature["spans"] for feature in features]),
        }


def hide_unsure(feature: Feature) -> Feature:
    """The feature with some of its unsure labels marked as not known, drawn from torch's random numbers."""
    hidden = [(start, end) for start, end, weight in feature["unsure"] if torch.rand(()).item() >= weight]
    if not hidden:
        return feature
    tags = list(feature["tags"])
    for start, end in hidden:
        tags[start:end] = [UNKNOWN] * (end - start)
    return {**feature, "tags": tags, "spans": [*feature["spans"], *([start, end, UNKNOWN] for start, end in hidden)]}


def pad_rows(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """[B, longest] of rows filled up at their ends."""
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])


def pad_spans(rows: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """[B, most, 3] of lists of (start, end, label number), filled up with NO_SPAN."""
    width = max(1, *(len(row) for row in rows))
    return torch.tensor([[*row, *[[NO_SPAN] * 3] * (width - len(row))] for row in rows])
