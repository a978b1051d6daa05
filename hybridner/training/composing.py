"""Composites to be trained: they share their weights with the members they are made of."""

from __future__ import annotations

from collections.abc import Mapping

from hybridner.hybrid import HybridNerModel
from hybridner.models import MemberModel


def compose(members: Mapping[str, MemberModel]) -> HybridNerModel:
    """A composite whose encoders and heads are those of the members themselves, so that training it trains them.

    Members whose encoders are equal share the first one's from now on.
    """
    model = HybridNerModel.assemble(members)
    for entry in reversed(model.config.members):
        model.encoders[entry["encoder"]] = members[entry["name"]].encoder
    for entry in model.config.members:
        member = members[entry["name"]]
        member.encoder = model.encoders[entry["encoder"]]
        model.members[entry["name"]] = member.head
    return model


def share_encoder(members: Mapping[str, MemberModel]) -> None:
    """Let all members read through the first one's encoder."""
    first = next(iter(members.values()))
    for member in members.values():
        member.encoder, member.vocabularies = first.encoder, first.vocabularies
