"""From records to what a member is trained on: pieces that fit its encoder, token ids, labels, and padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hybridner.models import MemberModel, SpannerModel
from hybridner.spans import Record, Span
from hybridner.spans.tags import spans_to_tags
from hybridner.text import cut_windows

#: Marks rows of a span table that hold no span.
NO_SPAN = -1

Feature = dict[str, Any]


def fit_record(record: Record, max_characters: int) -> list[Record]:
    """The record in pieces of at most `max_characters`, cut after a sentence end where possible.

    A cut never falls inside an entity that would fit; one that is longer than a whole piece is left out.
    """
    if len(record.text) <= max_characters:
        return [record]
    pieces = []
    start = 0
    while start < len(record.text):
        window = cut_windows(record.text[start : start + 2 * max_characters], max_characters, 0)[0]
        end = start + window.own_end
        crossing = [span.start for span in record.entities if span.start < end < span.end and span.start > start]
        end = min(crossing, default=end)
        inside = [s for s in record.entities if start <= s.start and s.end <= end]
        entities = tuple(Span(s.start - start, s.end - start, s.label) for s in inside)
        pieces.append(Record(record.text[start:end], entities, record.id, record.group))
        start = end
    return pieces


def make_features(records: Sequence[Record], model: MemberModel) -> list[Feature]:
    """One feature per piece: `input_ids`, `labels` as the model's forward wants them, and `gold` spans for evaluation (lists of
    [start, end, label number from 1])."""
    names = model.config.labels.names
    number = {name: index + 1 for index, name in enumerate(names)}
    features = []
    for record in records:
        for piece in fit_record(record, model.max_characters):
            if not piece.text:
                continue
            gold = [[span.start, span.end, number[span.label]] for span in piece.entities]
            labels = gold if isinstance(model, SpannerModel) else spans_to_tags(piece.entities, len(piece.text), names)
            features.append({"input_ids": model.vocabulary.encode(piece.text), "labels": labels, "gold": gold})
    return features


class Collator:
    """Pads features into the tensors of `forward`, plus `gold` [B, E, 3]."""

    def __init__(self, model: MemberModel) -> None:
        self.pad = model.vocabulary.pad
        self.labels_are_spans = isinstance(model, SpannerModel)

    def __call__(self, features: Sequence[Feature]) -> dict[str, Tensor]:
        ids = pad_rows([feature["input_ids"] for feature in features], self.pad)
        lengths = torch.tensor([len(feature["input_ids"]) for feature in features])
        gold = pad_spans([feature["gold"] for feature in features])
        labels = gold if self.labels_are_spans else pad_rows([[-100, *feature["labels"], -100] for feature in features], -100)
        mask = (torch.arange(ids.size(1))[None, :] < lengths[:, None]).long()
        return {"input_ids": ids, "attention_mask": mask, "labels": labels, "gold": gold}


def pad_rows(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])


def pad_spans(rows: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    width = max(1, *(len(row) for row in rows))
    return torch.tensor([[*row, *[[NO_SPAN] * 3] * (width - len(row))] for row in rows])
