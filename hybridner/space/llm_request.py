"""The LLM that a visitor names, and what came of its answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from hybridner.llm import FailureKind, LlmReport
from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.errors import VisitorError


@dataclass(frozen=True)
class LlmRequest:
    """The LLM that should decide about doubtful spans. The key lives as long as one request.

    Attributes:
        endpoint, model, key: as the visitor typed them.
        extra: further fields of each request as a JSON object, such as those that switch off thinking.
    """

    endpoint: str
    model: str
    key: str = field(default="", repr=False)
    extra: str = ""

    @property
    def extra_body(self) -> dict[str, Any] | None:
        """The further fields; None where there are none.

        Raises:
            VisitorError: `extra` is no JSON object.
        """
        if not self.extra.strip():
            return None
        try:
            fields = json.loads(self.extra)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise VisitorError("bad_extra", example="{}")
        return fields


@dataclass(frozen=True)
class LlmOutcome:
    """What came of an LLM's answers.

    Attributes:
        analyzed: with the answers worked in; as before where there were none.
        report: cost and latency.
        failed: number of routed spans without an answer.
        reasons: for each kind of failure, what the server or the client said of the first one; without a key.
        changed: number of entities that are new, gone or of another type.
    """

    analyzed: AnalyzedText
    report: LlmReport
    failed: int
    reasons: dict[FailureKind, str | None]
    changed: int
