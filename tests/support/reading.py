"""What a composite says about texts, as the bare candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hybridner.ensemble import Candidate
from hybridner.hybrid import CompositeModel


def candidates_of(model: CompositeModel, texts: Sequence[str], **options: Any) -> list[list[Candidate]]:
    """The decided candidates of each text."""
    return [list(prediction.candidates) for prediction in model.predict(texts, **options)]
