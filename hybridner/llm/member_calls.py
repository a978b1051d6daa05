"""The LLM as a member, call by call: which pieces of the texts it should read, and what it found in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from anyio import to_thread

from hybridner.ensemble import Candidate
from hybridner.llm.answers import AnswerReader
from hybridner.llm.cache import AnswerCache, question_key
from hybridner.llm.calls import CallRunner
from hybridner.llm.context import Context, split_pieces
from hybridner.llm.extraction import read_extraction
from hybridner.llm.member import MemberReliability, expected_gain
from hybridner.llm.plan import Piece, PieceCall, is_cached
from hybridner.llm.prices import BudgetTracker, Usage, estimate_prompt
from hybridner.llm.prompts import Prompter
from hybridner.llm.provenance import Outcome
from hybridner.llm.verifier import Question, Verifier
from hybridner.spans import Record, Span

#: Tokens of one line of an extraction, for the estimate.
LINE_TOKENS = 10


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


def plan_pieces(
    pieces: Sequence[Piece],
    texts: Sequence[str],
    candidates: Sequence[Sequence[Candidate]],
    *,
    prompter: Prompter,
    verifier: Verifier,
    cache: AnswerCache | None,
    budget: BudgetTracker,
    calls_per_text: int | None,
    examples: Callable[[str], Sequence[Record]] | None,
) -> tuple[list[PieceCall], list[Piece]]:
    """A call for each piece, with its cost set aside in the budget; and the pieces that no budget is left for."""
    calls: list[PieceCall] = []
    over: list[Piece] = []
    asked = [0] * len(texts)
    attempts = 1 + getattr(verifier, "max_retries", 0)
    for piece in pieces:
        shown = texts[piece.text][piece.start : piece.end]
        question = prompter.build_extraction(shown, examples(shown) if examples is not None else ())
        if is_cached(cache, question_key(verifier, question)):
            calls.append(PieceCall(question, piece, True, Usage(), Usage()))
            continue
        entities = sum(candidate.is_entity for candidate in inside(candidates[piece.text], piece))
        estimate = estimate_extraction(question, entities)
        full = calls_per_text is not None and asked[piece.text] >= calls_per_text
        if full or not budget.reserve(estimate):
            over.append(piece)
            continue
        asked[piece.text] += 1
        calls.append(PieceCall(question, piece, False, estimate, sum([estimate] * attempts, Usage())))
    return calls, over


def estimate_extraction(question: Question, entities: int) -> Usage:
    """About what an extraction will use, where so many entities are expected."""
    return Usage(1, estimate_prompt(question.messages), LINE_TOKENS * (1 + entities))


async def ask_pieces(
    calls: Sequence[PieceCall],
    over: Sequence[Piece],
    runner: CallRunner,
    reader: AnswerReader,
    texts: Sequence[str],
    limit: float | None,
) -> dict[Piece, Outcome]:
    """What the LLM found in each piece, with offsets into its text."""
    outcomes = {piece: Outcome.over_budget() for piece in over}

    async def work(call: PieceCall) -> None:
        piece = call.piece
        answer, cached = await runner.ask(call.question, call.estimate)
        shown = texts[piece.text][piece.start : piece.end]
        read = await to_thread.run_sync(lambda: read_extraction(shown, answer.content, reader, truncated=answer.truncated))
        runner.stats.add(unparsed=read.unreadable)
        # Silence counts as evidence against an entity: not that of an answer that broke off or runs wild.
        if read.truncated or (not read.spans and (read.unreadable or read.unfound)):
            problem = "was cut at the token limit" if read.truncated else "lists no entity that is in the text"
            outcomes[piece] = Outcome.unparsed(answer, f"the answer {problem}")
            return
        found = tuple(Span(span.start + piece.start, span.end + piece.start, span.label) for span in read.spans)
        outcomes[piece] = Outcome("cached" if cached else "asked", found=found, model=answer.model, features=answer.features)

    for call, error in await runner.run(calls, work, limit):
        outcomes[call.piece] = Outcome.failed(error)
    return outcomes
