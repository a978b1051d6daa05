"""A composite that was trained on one encoder: the base of adapters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hybridner import HybridNerModel, HybridNerTrainer, HybridNerTrainingArguments
from tests.support.adaptation import shared_composite
from tests.support.tiny import small_records


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> HybridNerModel:
    """A composite on one encoder that knows `small_records` by heart."""
    torch.manual_seed(0)
    model = shared_composite(("State", "System", "Place"))
    arguments = HybridNerTrainingArguments(
        output_dir=str(tmp_path_factory.mktemp("base")),
        num_train_epochs=12,
        per_device_train_batch_size=6,
        encoder_learning_rate=5e-3,
        head_learning_rate=1e-2,
        save_strategy="no",
    )
    HybridNerTrainer(model, arguments, small_records()).train()
    return model.eval()


@pytest.fixture(scope="session")
def base_folder(base: HybridNerModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    base.save_pretrained(folder)
    return folder
