"""Composites to adapt, and a new domain for them."""

from __future__ import annotations

import torch

from hybridner import HybridNerModel, LabelSet
from hybridner.models.span_scoring import prior_bias
from hybridner.spans import Record, Span
from tests.support.tiny import small_records, tiny_member

MEMBERS = ("bert-bilstm-crf", "spanner")
#: Another label set for the same sentences: one label in common, one by another name, one that never occurs.
NEW_LABELS = LabelSet.of(["Place", "Country", "Ship"])


def shared_composite(labels: object) -> HybridNerModel:
    """Untrained members on one encoder."""
    members = {name: tiny_member(name, labels=labels, rnn_hidden_size=32) for name in MEMBERS}
    first = members[MEMBERS[0]]
    for member in members.values():
        member.encoder = first.encoder
    with torch.no_grad():
        bias = members["spanner"].head.boundary.bias
        bias.copy_(prior_bias(bias.numel()))
    return HybridNerModel.assemble(members)


def renamed_records() -> list[Record]:
    """`small_records` in the words of `NEW_LABELS`."""
    names = {"State": "Country", "Place": "Place"}
    return [
        Record(record.text, tuple(Span(s.start, s.end, names[s.label]) for s in record.entities), record.id, record.group)
        for record in small_records()
    ]
