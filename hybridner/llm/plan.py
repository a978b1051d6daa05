"""What would be asked, and what that will cost: plain data, made before any request is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hybridner.ensemble import Kind
from hybridner.llm.cache import question_key
from hybridner.llm.prices import Price, Usage, estimate_prompt
from hybridner.llm.verifier import Question, Verifier

#: Tokens of the answer for one span, for the estimate.
_ANSWER_TOKENS = 8


@dataclass(frozen=True, slots=True)
class RoutedCandidate:
    """A candidate the LLM should be asked about: candidate number `index` of text number `text`."""

    text: int
    index: int
    uncertainty: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One question, the routed candidates it asks about (in its order), and its estimated use.

    Nothing is used when it is cached, or asked by a call before it.

    Attributes:
        bound: the use where every attempt but the last gives no usable answer and what cannot be read is asked once more.
        singly: of a question about several spans, one for each: those are asked about what it brings no label of.
        vote: the number of the prompt that it is asked by, where several ask the same.
    """

    question: Question
    routed: tuple[RoutedCandidate, ...]
    cached: bool
    estimate: Usage
    bound: Usage
    singly: tuple[Question, ...] = ()
    vote: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text that the LLM may read as a whole.

    Attributes:
        text: number of the text.
        start, end: characters [start, end) of it.
        gain: how many more right decisions reading it is expected to bring; 0 where every text is read.
    """

    text: int
    start: int
    end: int
    gain: float = 0.0


@dataclass(frozen=True, slots=True)
class PieceCall:
    """One question about a piece, and its estimated use (nothing when it is cached, or asked by a call before it); `bound` with
    every repeat."""

    question: Question
    piece: Piece
    cached: bool
    estimate: Usage
    bound: Usage


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be asked, before any request is sent.

    Attributes:
        calls: about spans, in the order in which they are made, most uncertain first. Where the LLM is a member as well, its
            votes come first and settle some of these.
        over_budget: routed candidates that no budget is left for.
        price: of the model, where it is known.
        pieces: calls about whole pieces of text, the most promising first.
        pieces_over_budget: pieces that no budget is left for.
        probe: what finding out about the server's abilities will use, see `Verifier`.
        saved: estimated calls and tokens that asking about several spans at once saves.

    Examples:
        >>> llm = {"model": "deepseek-flash", "base_url": "http://127.0.0.1:8901/v1"}
        >>> plan = pipe([text, text[6:]], llm=llm, threshold=0.0, llm_settings={"budget": {"calls": 1}}, dry_run=True)
        >>> plan.usage.calls, plan.left_out
        (1, 2)
    """

    calls: tuple[PlannedCall, ...]
    over_budget: tuple[RoutedCandidate, ...]
    price: Price | None
    pieces: tuple[PieceCall, ...] = ()
    pieces_over_budget: tuple[Piece, ...] = ()
    probe: Usage = field(default_factory=Usage)
    saved: Usage = field(default_factory=Usage)

    @property
    def _all(self) -> list[PlannedCall | PieceCall]:
        return [*self.calls, *self.pieces]

    @property
    def questions(self) -> list[tuple[Question, Usage]]:
        """The questions to be asked, with their estimated use, but for the probe."""
        return [(call.question, call.estimate) for call in self._all if not call.cached]

    @property
    def usage(self) -> Usage:
        """Estimated calls and tokens; answers from the cache, and questions asked more than once, count nothing."""
        return sum((call.estimate for call in self._all), self.probe)

    @property
    def left_out(self) -> int:
        """How many spans and pieces no budget is left for."""
        return len(self.over_budget) + len(self.pieces_over_budget)

    @property
    def max_usage(self) -> Usage:
        """The same where every question has to be repeated as often as it may be: budgets can be set by it."""
        return sum((call.bound for call in self._all), self.probe)

    @property
    def cost(self) -> float | None:
        """Estimated price in `price.currency`; None without a price."""
        return self.price.of(self.usage) if self.price else None

    def __str__(self) -> str:
        usage, spans = self.usage, sum(len(call.routed) for call in self.calls if not call.vote)
        cached = sum(call.cached for call in self._all)
        has_pieces = bool(self.pieces or self.pieces_over_budget)
        has_spans = bool(self.calls or self.over_budget or not has_pieces)
        asked = [f"{spans} spans"] * has_spans + [f"{len(self.pieces)} sentences"] * has_pieces
        over = [f"{len(self.over_budget)} spans"] * has_spans + [f"{len(self.pieces_over_budget)} sentences"] * has_pieces
        money = f"about {self.cost:.4f} {self.price.currency}" if self.price else "price unknown"
        return (
            f"{' and '.join(asked)} in {usage.calls} calls (and {cached} without one), about {usage.prompt_tokens} tokens "
            f"in and {usage.completion_tokens} out, {money} (with every repeat at most {self.max_usage.calls} requests and "
            f"{self.max_usage.tokens} tokens); {' and '.join(over)} over budget"
        )


class KnownAnswers:
    """The questions that need no call: their answers are kept, or they were planned before.

    Args:
        verifier: who would be asked.
        is_kept: whether the answer to the question with this key is kept.
    """

    def __init__(self, verifier: Verifier, is_kept: Callable[[str], bool]) -> None:
        self._verifier, self._is_kept = verifier, is_kept
        self._planned: set[str] = set()

    @property
    def attempts(self) -> int:
        """How often a question may be sent; verifiers that send it again by themselves say so."""
        return 1 + getattr(self._verifier, "max_retries", 0)

    def add(self, question: Question) -> None:
        """A question that is going to be asked."""
        self._planned.add(question_key(self._verifier, question))

    def __contains__(self, question: Question) -> bool:
        key = question_key(self._verifier, question)
        return key in self._planned or self._is_kept(key)


def estimate_usage(question: Question) -> Usage:
    """About what a label question will use."""
    return Usage(1, estimate_prompt(question.messages), _ANSWER_TOKENS * question.count)
