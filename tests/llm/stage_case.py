"""A text with three candidates, two of them doubtful, and running the stage on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hybridner.llm import (
    Answer,
    AnswerCache,
    LlmSettings,
    LlmStage,
    Question,
    VerifiedCandidate,
)
from hybridner.spans import LabelSet
from tests.llm.scripted_server import (
    Reply,
    ScriptedServer,
    candidate,
    chat,
    verifier,
)

Serve = Callable[[Any], ScriptedServer]

TEXT = "2023年，俄罗斯在叙利亚部署了干扰机。"
RUSSIA = candidate(6, 9, "LOC", 0.6, u=0.5)
SYRIA = candidate(10, 13, "O", 0.6, u=0.4, votes={"a": "LOC", "b": "O"})
SURE = candidate(15, 16, "ORG", 0.99, u=0.01)
ROW = [RUSSIA, SYRIA, SURE]


def by_span(answers: dict[str, str]) -> Callable[[dict[str, Any], int], Reply]:
    """Answer by the span that is asked about."""

    def script(body: dict[str, Any], _: int) -> Reply:
        asked = next(m["content"] for m in body["messages"] if m["role"] == "user")
        return chat(next(answer for span, answer in answers.items() if f"“{span}”" in asked))

    return script


def run(
    server: ScriptedServer | str, labels: LabelSet, cache: AnswerCache | None = None, **settings: Any
) -> list[VerifiedCandidate]:
    client = settings.pop("client", {})
    settings.setdefault("spans_per_call", 1)
    with LlmStage(verifier(server, **client), labels, LlmSettings(**settings), cache=cache) as stage:
        return stage.run([TEXT], [ROW])[0]


class Own:
    """A verifier as a user may write it."""

    model = "own"
    concurrency = 3

    def __init__(self, error: Exception | None = None) -> None:
        self.parameters: dict[str, Any] = {}
        self.error = error
        self.closed = False

    async def complete(self, question: Question) -> Answer:
        if self.error:
            raise self.error
        return Answer("ORG", "own")

    async def close(self) -> None:
        self.closed = True
