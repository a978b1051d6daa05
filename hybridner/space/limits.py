"""What one visitor may ask for, so that nobody can stop the page for the others."""

from __future__ import annotations

from dataclasses import dataclass

from hybridner.space.errors import VisitorError


@dataclass(frozen=True)
class Limits:
    """Upper limits.

    Attributes:
        characters: of the text in the box, and of each text in a file.
        file_bytes, file_texts, file_characters: of an uploaded file.
        queue: events that may wait; further ones are turned away with a message.
        local_workers: texts analyzed at once; a file counts as one of its own.
        llm_workers: visitors whose LLM is waited for at once; they never hold up those who use the local model alone.
        llm_calls, llm_seconds: of one analysis.
        llm_tokens: of one answer, whatever the visitor's further fields ask for.
        sessions: visitors whose last result is remembered, and `session_seconds` for how long.
    """

    characters: int = 3_000
    file_bytes: int = 1_000_000
    file_texts: int = 1_000
    file_characters: int = 300_000
    queue: int = 64
    local_workers: int = 2
    llm_workers: int = 16
    llm_calls: int = 40
    llm_seconds: float = 45.0
    llm_tokens: int = 2_048
    sessions: int = 1_000
    session_seconds: int = 3_600


def check_text(text: object, limits: Limits) -> str:
    """The text.

    Raises:
        VisitorError: it is blank, too long or no text.
    """
    if not isinstance(text, str) or not text.strip():
        raise VisitorError("empty_text")
    if len(text) > limits.characters:
        raise VisitorError("long_text", count=len(text), limit=limits.characters)
    return text
