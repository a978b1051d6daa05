from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hybridner import HybridNerModel, LabelSet
from hybridner.spans import Record, Span
from hybridner.training.joint import train_jointly
from hybridner.training.recipe import TrainingSection
from tests.conftest import small_records, tiny_member

MEMBERS = ("bert-bilstm-crf", "spanner")
#: Another label set for the same sentences: one label in common, one by another name, one that never occurs.
NEW_LABELS = LabelSet.of(["Place", "Country", "Ship"])


def section(**changes: object) -> TrainingSection:
    settings = {"output": "", "epochs": 12, "batch_size": 6, "encoder_lr": 5e-3, "head_lr": 1e-2, **changes}
    return TrainingSection(**settings)  # type: ignore[arg-type]


def shared_composite(labels: object) -> HybridNerModel:
    """Untrained members on one encoder."""
    members = {name: tiny_member(name, labels=labels, head_size=32) for name in MEMBERS}
    first = members[MEMBERS[0]]
    for member in members.values():
        member.encoder = first.encoder
    with torch.no_grad():
        scorer = members["spanner"].scorer
        scorer.bias.copy_(scorer.prior_bias(scorer.bias.numel()))
    return HybridNerModel.assemble(members)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> HybridNerModel:
    """A composite on one encoder that knows `small_records` by heart."""
    torch.manual_seed(0)
    model = shared_composite(("State", "System", "Place"))
    train_jointly(model, small_records(), section(), tmp_path_factory.mktemp("base"))
    return model.eval()


@pytest.fixture(scope="session")
def base_folder(base: HybridNerModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    base.save_pretrained(folder)
    return folder


def renamed_records() -> list[Record]:
    """`small_records` in the words of `NEW_LABELS`."""
    names = {"State": "Country", "Place": "Place"}
    return [
        Record(record.text, tuple(Span(s.start, s.end, names[s.label]) for s in record.entities), record.id, record.group)
        for record in small_records()
    ]
