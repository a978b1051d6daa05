"""Answers of an LLM that a visitor paid for, kept for the visit: another strategy or threshold does not pay again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hybridner.llm import AnswerCache


@dataclass(frozen=True)
class KeptAnswers:
    """Where a visitor's answers are, and whom they came from; without the key.

    Attributes:
        path: of the cache; it lies in the page's temporary folder and ends with the session.
        model, extra: of the `LlmRequest` that was answered last: they are part of what an answer is found by.
    """

    path: Path
    model: str
    extra: str


@contextmanager
def open_kept(kept: KeptAnswers | None, mode: Literal["use", "replay"]) -> Iterator[AnswerCache | None]:
    """The cache to write to ("use"), or only to read what there is ("replay"); None where there is none."""
    if kept is None or (mode == "replay" and not kept.path.is_file()):
        yield None
        return
    kept.path.parent.mkdir(parents=True, exist_ok=True)
    cache = AnswerCache(kept.path, mode)
    try:
        yield cache
    finally:
        cache.close()
