"""Configuration of SpanNER."""

from __future__ import annotations

from typing import Any

from hybridner.errors import ModelError
from hybridner.models.configuration_member import MemberConfig, is_integer


class SpannerConfig(MemberConfig):
    """Configuration of SpanNER: encoder -> BiLSTM -> additive span scorer (section 2.3.2).

    Further parameters are those of `MemberConfig`.

    Args:
        max_span_length: L, the most characters of a span; longer ones are scored as absent.
        length_embedding_size: size of a length embedding.
        negative_weight: weight of spans without an entity in the loss.

    Examples:
        >>> SpannerConfig(max_span_length=12).max_span_length
        12
    """

    model_type = "spanner"

    max_span_length: int = 20
    length_embedding_size: int = 32
    negative_weight: float = 1.0

    def __post_init__(self, **kwargs: Any) -> None:
        if not is_integer(self.max_span_length) or self.max_span_length < 1:
            raise ModelError(f"max_span_length must be a whole number of at least 1, not {self.max_span_length!r}")
        super().__post_init__(**kwargs)
