"""Which candidates the LLM is asked about, in which calls, and what that will cost. Never looks at gold."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain

from hybridner.ensemble import KINDS, Candidate, Kind, Threshold, as_threshold, find_doubtful
from hybridner.llm.confusion import ConfusionMatrix
from hybridner.llm.plan import KnownAnswers, Plan, PlannedCall, RoutedCandidate, estimate_usage
from hybridner.llm.prices import BudgetTracker, Price, Usage
from hybridner.llm.prompts import Example, Prompter
from hybridner.llm.value import answer_value
from hybridner.llm.verifier import Question

ExampleFinder = Callable[[int, Candidate], Sequence[Example]]
"""Finds examples for one candidate, given the number of its text; called only for candidates that are routed."""


def route(
    candidates: Sequence[Sequence[Candidate]], threshold: Threshold | float, kinds: Collection[Kind] = KINDS
) -> list[RoutedCandidate]:
    """The doubtful candidates of these kinds, most uncertain first (ties in text order); they go to the LLM (section 2.4.5).

    Args:
        candidates: those of each text, as `decide` returns them.
        threshold: who is doubtful; of an adaptive one see `find_doubtful`.
        kinds: which kinds of candidates may be routed.

    Examples:
        >>> candidates = [prediction.candidates for prediction in model.predict([text])]
        >>> route(candidates, 1.0)
        []
    """
    threshold = as_threshold(threshold)
    return route_doubtful(candidates, [find_doubtful(row, threshold, kinds) for row in candidates], kinds)


def route_doubtful(
    candidates: Sequence[Sequence[Candidate]],
    doubtful: Sequence[Sequence[bool]],
    kinds: Collection[Kind] = KINDS,
    matrix: ConfusionMatrix | None = None,
) -> list[RoutedCandidate]:
    """As `route`, where `doubtful` says for each candidate whether it is.

    With the matrix of a verifier, those whose answer is worth most come first, and those that no answer could change do not come
    at all; see `answer_value`.
    """
    routed = [
        RoutedCandidate(text, index, candidate.uncertainty, candidate.kind)
        for text, (row, doubts) in enumerate(zip(candidates, doubtful, strict=True))
        for index, (candidate, is_doubtful) in enumerate(zip(row, doubts, strict=True))
        if is_doubtful and candidate.kind is not None and candidate.kind in kinds
    ]
    if matrix is None:
        return sorted(routed, key=lambda r: (-r.uncertainty, r.text, r.index))
    valued = [(answer_value(candidates[item.text][item.index], matrix), item) for item in routed]
    worth = sorted((pair for pair in valued if pair[0] > 0), key=lambda pair: (-pair[0], pair[1].text, pair[1].index))
    return [item for _, item in worth]


def plan_calls(
    texts: Sequence[str],
    candidates: Sequence[Sequence[Candidate]],
    routed: Sequence[RoutedCandidate],
    *,
    prompters: Sequence[Prompter],
    known: KnownAnswers,
    budget_tracker: BudgetTracker,
    price: Price | None,
    spans_per_call: int,
    calls_per_text: int | None,
    examples: ExampleFinder | None,
) -> Plan:
    """Turn routed candidates into calls and set their cost aside in the budget_tracker, most uncertain first.

    A call that does not fit the budget any more is left out; a cheaper one after it may still fit. Each prompter asks the same;
    candidates are over budget where not even the first may.
    """
    calls: list[PlannedCall] = []
    over: list[RoutedCandidate] = []
    saved = Usage()
    asked = [0] * len(texts)
    for group in _groups(texts, candidates, routed, prompters[0], spans_per_call):
        text, number = texts[group[0].text], group[0].text
        spans = [(candidates[number][item.index].start, candidates[number][item.index].end) for item in group]
        shown = [list(examples(item.text, candidates[number][item.index])) if examples else [] for item in group]
        for vote, prompter in enumerate(prompters):
            context = prompter.select_context(text, *spans[0])
            question = prompter.build_question(text, spans, context, list(dict.fromkeys(chain.from_iterable(shown))))
            pairs = zip(spans, shown, strict=True) if len(spans) > 1 else ()
            singly = tuple(prompter.build_question(text, [span], context, own) for span, own in pairs)
            call = _call(question, singly, group, vote, prompter, known)
            full = calls_per_text is not None and asked[number] >= calls_per_text
            if not call.cached and (full or not budget_tracker.reserve(call.estimate)):
                over += group if vote == 0 else ()
                break
            known.add(question)
            asked[number] += not call.cached
            calls.append(call)
            if singly:
                saved += sum(map(estimate_usage, singly), Usage()) + -estimate_usage(question)
    return Plan(tuple(calls), tuple(over), price, saved=saved)


def _groups(
    texts: Sequence[str],
    candidates: Sequence[Sequence[Candidate]],
    routed: Sequence[RoutedCandidate],
    prompter: Prompter,
    size: int,
) -> Iterator[tuple[RoutedCandidate, ...]]:
    """Routed candidates that share a call, by their most uncertain one: only those shown in the same piece of a text do.

    Within a call they stand in text order, those that overlap side by side.
    """
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
    yield from (tuple(sorted(group, key=lambda item: item.index)) for group in groups)


def _call(
    question: Question,
    singly: tuple[Question, ...],
    group: tuple[RoutedCandidate, ...],
    vote: int,
    prompter: Prompter,
    known: KnownAnswers,
) -> PlannedCall:
    if question in known:
        return PlannedCall(question, group, True, Usage(), Usage(), singly, vote)
    estimate = estimate_usage(question)
    single = singly or (question,)
    again = [estimate_usage(prompter.build_retry(one, one.options[0])) for one in single]
    bound = sum([estimate, *map(estimate_usage, singly), *again] * known.attempts, Usage())
    return PlannedCall(question, group, False, estimate, bound, singly, vote)
