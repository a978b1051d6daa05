"""What can be set about an OpenAI-compatible server."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, SecretStr

from hybridner.errors import HybridNerError, LlmError
from hybridner.validation import Integer, Number, Settings


def _as_json(value: dict[str, Any]) -> dict[str, Any]:
    """The value itself, which can be sent; what is wrong with it is said without repeating it, as it may hold secrets."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("expected what JSON can hold: texts, finite numbers, true, false, null, lists and mappings") from error
    return value


class OpenAISettings(Settings):
    """The settings of an `OpenAIVerifier`, see there."""

    error_class: ClassVar[type[HybridNerError]] = LlmError

    model: Annotated[str, Field(min_length=1)]
    base_url: str | None = None
    api_key: SecretStr | None = None
    timeout: Number = Field(default=30.0, ge=1e-3)
    max_retries: Integer = Field(default=3, ge=0)
    concurrency: Integer = Field(default=8, ge=1)
    temperature: Number | None = Field(default=0.0, ge=0.0)
    top_p: Number | None = Field(default=1.0, gt=0.0, le=1.0)
    max_tokens: Integer | None = Field(default=128, ge=1)
    token_limit: Integer | None = Field(default=None, ge=1)
    probe: bool = False
    extra_body: Annotated[dict[str, Any], AfterValidator(_as_json)] = Field(default_factory=dict)
