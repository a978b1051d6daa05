"""Made-up predictions."""

from __future__ import annotations

import pytest

from hybridner.ensemble import Predictions
from tests.support.predictions import made_up_predictions


@pytest.fixture(scope="session")
def predictions() -> Predictions:
    return made_up_predictions()
