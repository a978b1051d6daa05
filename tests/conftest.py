"""Settings of every test run, and the fixtures that many tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
import torch

# How long an example takes says nothing here: the machine is shared, and first calls import. The examples are the same each time,
# so that a change is judged by what it changes; `--hypothesis-profile exploring` looks for others.
_UNTIMED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("exploring", **_UNTIMED)
hypothesis.settings.register_profile("hybridner", derandomize=True, **_UNTIMED)
hypothesis.settings.load_profile("hybridner")
# Two cores and many small matrices: one thread is faster, and the same everywhere.
torch.set_num_threads(1)
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from hybridner import HybridNerModel  # noqa: E402
from hybridner.ensemble import Predictions  # noqa: E402
from hybridner.models import MEMBER_CLASSES, MemberModel  # noqa: E402
from hybridner.spans import Record  # noqa: E402
from tests.support.predictions import made_up_predictions  # noqa: E402
from tests.support.tiny import small_records, tiny_member  # noqa: E402


@pytest.fixture(scope="session")
def composite() -> HybridNerModel:
    """Four tiny members with random weights."""
    return HybridNerModel.assemble({name: tiny_member(name, seed) for seed, name in enumerate(MEMBER_CLASSES)})


@pytest.fixture(scope="session")
def composite_folder(composite: HybridNerModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("composite")
    composite.save_pretrained(folder)
    return folder


@pytest.fixture
def make_member() -> Callable[..., MemberModel]:
    return tiny_member


@pytest.fixture
def records() -> list[Record]:
    return small_records()


@pytest.fixture(scope="session")
def predictions() -> Predictions:
    """Made-up predictions."""
    return made_up_predictions()
