"""A composite that was trained on one encoder: the base of adapters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hybridner import HybridNerModel
from hybridner.training.joint import train_jointly
from hybridner.training.recipe import TrainingSection
from tests.support.adaptation import shared_composite
from tests.support.tiny import small_records


def section(**changes: object) -> TrainingSection:
    settings = {"output": "", "epochs": 12, "batch_size": 6, "encoder_lr": 5e-3, "head_lr": 1e-2, **changes}
    return TrainingSection(**settings)  # type: ignore[arg-type]


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
