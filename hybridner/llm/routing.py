"""Which candidates the LLM is asked about, in which calls, and what that will cost. Never looks at gold."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from hybridner.ensemble import KINDS, Candidate, Kind, Threshold, as_threshold, find_doubtful
from hybridner.llm.cache import AnswerCache, question_key
from hybridner.llm.prices import BudgetTracker, Price, Usage, estimate_prompt
from hybridner.llm.prompts import Example, Prompter
from hybridner.llm.verifier import Question, Verifier

#: Finds examples for one candidate, given the number of its text; called only for candidates that are routed.
ExampleFinder = Callable[[int, Candidate], Sequence[Example]]

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
    """One question, the routed candidates it asks about (in its order), and its estimated use (nothing when it is cached).

    `bound` is the use where every attempt but the last gives no usable answer and the question is asked once more.
    """

    question: Question
    routed: tuple[RoutedCandidate, ...]
    cached: bool
    estimate: Usage
    bound: Usage


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be asked, before any request is sent.

    Attributes:
        calls: in the order in which they are made, most uncertain first.
        over_budget: routed candidates that no budget is left for.
        price: of the model, where it is known.
    """

    calls: tuple[PlannedCall, ...]
    over_budget: tuple[RoutedCandidate, ...]
    price: Price | None

    @property
    def usage(self) -> Usage:
        """Estimated calls and tokens; answers from the cache count nothing."""
        return sum((call.estimate for call in self.calls), Usage())

    @property
    def max_usage(self) -> Usage:
        """The same where every question has to be repeated as often as it may be: budgets can be set by it."""
        return sum((call.bound for call in self.calls), Usage())

    @property
    def cost(self) -> float | None:
        """Estimated price in `price.currency`; None without a price."""
        return self.price.of(self.usage) if self.price else None

    def __str__(self) -> str:
        usage, spans = self.usage, sum(len(call.routed) for call in self.calls)
        cached = sum(call.cached for call in self.calls)
        money = f"about {self.cost:.4f} {self.price.currency}" if self.price else "price unknown"
        return (
            f"{spans} spans in {usage.calls} calls ({cached} more from the cache), about {usage.prompt_tokens} tokens in and "
            f"{usage.completion_tokens} out, {money} (with every repeat at most {self.max_usage.calls} requests and "
            f"{self.max_usage.tokens} tokens); {len(self.over_budget)} spans over budget"
        )


def route(
    candidates: Sequence[Sequence[Candidate]], threshold: Threshold | float, kinds: Collection[Kind] = KINDS
) -> list[RoutedCandidate]:
    """The doubtful candidates of these kinds, most uncertain first (ties in text order).

    Args:
        candidates: those of each text, as `decide` returns them.
        threshold: who is doubtful; of an adaptive one see `find_doubtful`.
        kinds: which kinds of candidates may be routed.
    """
    threshold = as_threshold(threshold)
    return route_doubtful(candidates, [find_doubtful(row, threshold, kinds) for row in candidates], kinds)


def route_doubtful(
    candidates: Sequence[Sequence[Candidate]], doubtful: Sequence[Sequence[bool]], kinds: Collection[Kind] = KINDS
) -> list[RoutedCandidate]:
    """As `route`, where `doubtful` says for each candidate whether it is."""
    routed = [
        RoutedCandidate(text, index, candidate.uncertainty, candidate.kind)
        for text, (row, doubts) in enumerate(zip(candidates, doubtful, strict=True))
        for index, (candidate, is_doubtful) in enumerate(zip(row, doubts, strict=True))
        if is_doubtful and candidate.kind is not None and candidate.kind in kinds
    ]
    return sorted(routed, key=lambda r: (-r.uncertainty, r.text, r.index))


def plan_calls(
    texts: Sequence[str],
    candidates: Sequence[Sequence[Candidate]],
    routed: Sequence[RoutedCandidate],
    *,
    prompter: Prompter,
    verifier: Verifier,
    cache: AnswerCache | None,
    budget_tracker: BudgetTracker,
    price: Price | None,
    spans_per_call: int,
    calls_per_text: int | None,
    examples: ExampleFinder | None,
) -> Plan:
    """Turn routed candidates into calls and set their cost aside in the budget_tracker, most uncertain first.

    A call that does not fit the budget any more is left out; a cheaper one after it may still fit.
    """
    calls: list[PlannedCall] = []
    over: list[RoutedCandidate] = []
    asked = [0] * len(texts)
    for group in _groups(texts, candidates, routed, prompter, spans_per_call):
        number = group[0].text
        if calls_per_text is not None and asked[number] >= calls_per_text:
            over += group
            continue
        call = _call(texts[number], candidates[number], group, prompter, verifier, cache, examples)
        if not call.cached:
            if not budget_tracker.reserve(call.estimate):
                over += group
                continue
            asked[number] += 1
        calls.append(call)
    return Plan(tuple(calls), tuple(over), price)


def _groups(
    texts: Sequence[str],
    candidates: Sequence[Sequence[Candidate]],
    routed: Sequence[RoutedCandidate],
    prompter: Prompter,
    size: int,
) -> Iterator[tuple[RoutedCandidate, ...]]:
    """Routed candidates that share a call, by their most uncertain one: only those shown in the same piece of a text do."""
    if size == 1:
        yield from ((item,) for item in routed)
        return
    groups: list[list[RoutedCandidate]] = []
    open_groups: dict[tuple[int, int, int], list[RoutedCandidate]] = {}
    for item in routed:
        candidate = candidates[item.text][item.index]
        context = prompter.select_context(texts[item.text], candidate.start, candidate.end)
        group = open_groups.get((item.text, context.start, context.end))
        if group is None or len(group) == size:
            group = open_groups[item.text, context.start, context.end] = []
            groups.append(group)
        group.append(item)
    yield from map(tuple, groups)


def _call(
    text: str,
    candidates: Sequence[Candidate],
    group: tuple[RoutedCandidate, ...],
    prompter: Prompter,
    verifier: Verifier,
    cache: AnswerCache | None,
    examples: ExampleFinder | None,
) -> PlannedCall:
    asked = [candidates[item.index] for item in group]
    shown: dict[Example, None] = {}
    if examples is not None:
        for item, candidate in zip(group, asked, strict=True):
            shown.update(dict.fromkeys(examples(item.text, candidate)))
    spans = [(candidate.start, candidate.end) for candidate in asked]
    question = prompter.build_question(text, spans, prompter.select_context(text, *spans[0]), list(shown))
    cached = _is_cached(cache, question_key(verifier, question))
    if cached:
        return PlannedCall(question, group, cached, Usage(), Usage())
    estimate = estimate_usage(question)
    repeated = estimate_usage(prompter.build_retry(question, question.options[0]))
    # Verifiers that send a question again by themselves say how often.
    attempts = 1 + getattr(verifier, "max_retries", 0)
    bound = sum([estimate + repeated] * attempts, Usage())
    return PlannedCall(question, group, cached, estimate, bound)


def _is_cached(cache: AnswerCache | None, key: str) -> bool:
    try:
        return cache is not None and cache.get(key) is not None
    except sqlite3.Error:
        return False  # a cache that fails costs a call, and nothing else


def estimate_usage(question: Question) -> Usage:
    """About what a label question will use."""
    return Usage(1, estimate_prompt(question.messages), _ANSWER_TOKENS * question.count)
