"""The LLM as a member, call by call: which pieces of the texts it should read, and what it found in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hybridner.ensemble import Candidate
from hybridner.llm.context import Context, split_pieces
from hybridner.llm.member import MemberReliability, expected_gain
from hybridner.llm.piece_calls import PieceReading
from hybridner.llm.plan import Piece
from hybridner.llm.provenance import Outcome, Status
from hybridner.spans import Span


def find_pieces(
    texts: Sequence[str],
    candidates: Sequence[Sequence[Candidate]],
    reliability: MemberReliability,
    min_gain: float,
    *,
    min_chars: int,
    max_chars: int,
) -> list[Piece]:
    """The pieces worth a call: those with at least `min_gain` of `expected_gain`, the best first (ties in text order)."""
    pieces = []
    for number, (text, row) in enumerate(zip(texts, candidates, strict=True)):
        for context in split_pieces(text, min_chars=min_chars, max_chars=max_chars):
            if text[context.start : context.end].strip():
                gain = expected_gain(inside(row, context), context.end - context.start, reliability)
                pieces.append(Piece(number, context.start, context.end, gain))
    return sorted((piece for piece in pieces if piece.gain >= min_gain), key=lambda p: (-p.gain, p.text, p.start))


def inside(candidates: Sequence[Candidate], context: Context | Piece) -> list[Candidate]:
    """The candidates that lie in a piece as a whole."""
    return [candidate for candidate in candidates if context.start <= candidate.start and candidate.end <= context.end]


def outcomes_of(readings: Mapping[Piece, PieceReading]) -> dict[Piece, Outcome]:
    """What the LLM found in each piece, with offsets into its text."""
    return {piece: _outcome(piece, reading) for piece, reading in readings.items()}


def _outcome(piece: Piece, reading: PieceReading) -> Outcome:
    if reading.answer is None:
        assert reading.failure is not None
        return Outcome.failed(reading.failure)
    read, answer = reading.extraction, reading.answer
    if not read.spans and (read.truncated or read.unreadable or read.unfound):
        return Outcome.unparsed(answer, read.error or "the answer lists no entity that is in the text")
    found = tuple(Span(span.start + piece.start, span.end + piece.start, span.label) for span in read.spans)
    status: Status = "cached" if reading.cached else "asked"
    return Outcome(status, found=found, model=answer.model, features=answer.features, cut=read.error)
