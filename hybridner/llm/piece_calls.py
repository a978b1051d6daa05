"""Pieces of texts that the LLM reads as a whole: the calls planned, made, and read with exact offsets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anyio import to_thread

from hybridner.llm.answers import AnswerReader
from hybridner.llm.calls import CallRunner
from hybridner.llm.extraction import Extraction, SentenceFinder, read_extraction
from hybridner.llm.plan import KnownAnswers, Piece, PieceCall
from hybridner.llm.prices import BudgetTracker, Usage, estimate_prompt
from hybridner.llm.prompts import Prompter
from hybridner.llm.verifier import Answer, Question, VerifierError

#: Tokens of one line of an extraction, for the estimate.
_LINE_TOKENS = 10


@dataclass(frozen=True, slots=True)
class PieceReading:
    """What the LLM wrote about a piece.

    Attributes:
        extraction: what was read of it, with offsets into the piece.
        answer: None where there is none.
        cached: whether it came without a call of its own.
        failure: why there is no answer.
    """

    extraction: Extraction
    answer: Answer | None = None
    cached: bool = False
    failure: VerifierError | None = None


def plan_pieces(
    pieces: Sequence[Piece],
    texts: Sequence[str],
    expected: Callable[[Piece], int],
    *,
    prompter: Prompter,
    known: KnownAnswers,
    budget: BudgetTracker,
    calls_per_text: int | None,
    examples: SentenceFinder | None,
) -> tuple[list[PieceCall], list[Piece]]:
    """A call for each piece, with its cost set aside in the budget; and the pieces that no budget is left for.

    Args:
        pieces: in the order in which they may use up the budget.
        texts: that they are pieces of.
        expected: about how many entities are in a piece.
        prompter, known, budget, calls_per_text, examples: see `LlmSettings` and `Extractor`.
    """
    calls: list[PieceCall] = []
    over: list[Piece] = []
    asked = [0] * len(texts)
    for piece in pieces:
        shown = texts[piece.text][piece.start : piece.end]
        question = prompter.build_extraction(shown, examples(shown) if examples is not None else ())
        if question in known:
            calls.append(PieceCall(question, piece, True, Usage(), Usage()))
            continue
        estimate = estimate_extraction(question, expected(piece))
        full = calls_per_text is not None and asked[piece.text] >= calls_per_text
        if full or not budget.reserve(estimate):
            over.append(piece)
            continue
        known.add(question)
        asked[piece.text] += 1
        calls.append(PieceCall(question, piece, False, estimate, sum([estimate] * known.attempts, Usage())))
    return calls, over


def estimate_extraction(question: Question, entities: int) -> Usage:
    """About what an extraction will use, where so many entities are expected."""
    return Usage(1, estimate_prompt(question.messages), _LINE_TOKENS * (1 + entities))


async def read_pieces(
    calls: Sequence[PieceCall], texts: Sequence[str], runner: CallRunner, reader: AnswerReader, limit: float | None
) -> dict[Piece, PieceReading]:
    """What the LLM wrote about each piece, within a time limit in seconds for all of them."""
    readings: dict[Piece, PieceReading] = {}

    async def work(call: PieceCall) -> None:
        piece = call.piece
        answer, cached = await runner.ask(call.question, call.estimate)
        shown = texts[piece.text][piece.start : piece.end]
        read = await to_thread.run_sync(lambda: read_extraction(shown, answer.content, reader, truncated=answer.truncated))
        runner.stats.add(unparsed=read.unreadable)
        readings[piece] = PieceReading(read, answer, cached)

    for call, error in await runner.run(calls, work, limit):
        readings[call.piece] = PieceReading(Extraction(error=str(error)), failure=error)
    return readings
