"""A tiny pipeline."""

from __future__ import annotations

import pytest

from hybridner import HybridNerModel, HybridNerPipeline


@pytest.fixture(scope="session")
def pipe(composite: HybridNerModel) -> HybridNerPipeline:
    return HybridNerPipeline(composite, device="cpu")
