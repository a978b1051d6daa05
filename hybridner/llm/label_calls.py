"""The paper's label choice, call by call: doubtful spans are asked about, once or by two prompts, and the answers read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anyio import to_thread

from hybridner.llm.answers import AnswerReader
from hybridner.llm.calls import CallRunner
from hybridner.llm.confusion import Distribution
from hybridner.llm.plan import Plan, PlannedCall, estimate_usage
from hybridner.llm.prices import Usage
from hybridner.llm.prompts import Prompter
from hybridner.llm.provenance import Outcome, Status
from hybridner.llm.verifier import Answer, FailureKind, Question, VerifierError
from hybridner.spans import NON_ENTITY

#: By number of the text and of the candidate in it.
Outcomes = dict[tuple[int, int], Outcome]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one prompt brought for one span; `confidence` is empty where the verifier gives no probabilities."""

    label: str | None
    confidence: Distribution = ()
    model: str | None = None
    features: tuple[str, ...] = ()
    cached: bool = False
    problem: str = ""
    failure: FailureKind = FailureKind.UNREADABLE


async def ask_labels(plan: Plan, runner: CallRunner, prompter: Prompter, reader: AnswerReader, limit: float | None) -> Outcomes:
    """The LLM's label of every routed candidate of a plan, or why there is none."""
    names = (NON_ENTITY, *prompter.labels.names)
    outcomes: Outcomes = {(item.text, item.index): Outcome.over_budget() for item in plan.over_budget}

    readings: dict[tuple[int, int], dict[int, _Reading]] = {}

    async def work(call: PlannedCall) -> None:
        for item, reading in zip(call.routed, await _ask(call, runner, prompter, reader, names), strict=True):
            readings.setdefault((item.text, item.index), {})[call.vote] = reading

    for call, error in await runner.run(plan.calls, work, limit):
        outcomes.update({(item.text, item.index): Outcome.failed(error) for item in call.routed})
    # One prompt's answer is an answer, whatever became of the other's.
    outcomes.update({place: _merge([votes[number] for number in sorted(votes)], names) for place, votes in readings.items()})
    return outcomes


async def _ask(
    call: PlannedCall, runner: CallRunner, prompter: Prompter, reader: AnswerReader, names: Sequence[str]
) -> list[_Reading]:
    """Ask and read. Spans that an answer about several brings no label of are asked about one by one."""
    if not call.singly:
        return [await _ask_single(call.question, call.estimate, runner, prompter, reader, names)]
    try:
        answer, cached = await runner.ask(call.question, call.estimate)
    except VerifierError as error:
        # A content filter takes offence at one span, and a server may refuse the longer answer.
        if error.fatal or error.kind not in (FailureKind.FILTERED, FailureKind.SERVER_ERROR, FailureKind.BAD_RESPONSE):
            raise
        labels: tuple[str | None, ...] = (None,) * call.question.count
    else:
        # The last line of an answer that broke off may be the beginning of another label.
        content = answer.content.rpartition("\n")[0] if answer.truncated else answer.content
        labels = await to_thread.run_sync(reader.read_labels, content, call.question.count)
    runner.stats.add(several=len(labels), several_unread=labels.count(None))
    readings = []
    for number, (label, single) in enumerate(zip(labels, call.singly, strict=True)):
        if label is not None:
            confidence = _confidence(answer, number, call.question, names)
            readings.append(_Reading(label, confidence, answer.model, answer.features, cached))
            continue
        estimate = estimate_usage(single)
        runner.stats.add_saved(-estimate)
        if not runner.budget.reserve(estimate):
            readings.append(_Reading(None, failure=FailureKind.OVER_BUDGET, problem="no budget is left to ask once more"))
            continue
        try:
            readings.append(await _ask_single(single, estimate, runner, prompter, reader, names))
        except VerifierError as error:
            if error.fatal:
                raise
            readings.append(_Reading(None, failure=error.kind, problem=str(error)))
    return readings


async def _ask_single(
    question: Question, reserved: Usage, runner: CallRunner, prompter: Prompter, reader: AnswerReader, names: Sequence[str]
) -> _Reading:
    """Ask about one span, and where the answer is no label ask once more; what then is none stays unread."""
    answer, cached = await runner.ask(question, reserved)
    label = await to_thread.run_sync(reader.read_label, answer.content)
    problem = "the answer is none of the labels"
    again = prompter.build_retry(question, answer.content)
    estimate = estimate_usage(again)
    if label is None and runner.budget.reserve(estimate):
        try:
            answer, cached = await runner.ask(again, estimate)
        except VerifierError as error:
            problem = f"{problem}, and when asked once more: {error}"
        else:
            label = await to_thread.run_sync(reader.read_label, answer.content)
    if label is None:
        runner.stats.add(unparsed=1)
        return _Reading(None, model=answer.model, features=answer.features, problem=problem)
    return _Reading(label, _confidence(answer, 0, question, names), answer.model, answer.features, cached)


def _confidence(answer: Answer, number: int, question: Question, names: Sequence[str]) -> Distribution:
    """The verifier's own probabilities for span `number`, in the order of `names`; the question's last option is "no entity"."""
    if not answer.probabilities or not answer.probabilities[number]:
        return ()
    given = dict(zip((*question.options[:-1], names[0]), answer.probabilities[number], strict=True))
    return tuple(given[name] for name in names)


def _merge(readings: Sequence[_Reading], names: Sequence[str]) -> Outcome:
    """One outcome of what all prompts brought: how often, and how surely, they gave each label."""
    read = [reading for reading in readings if reading.label is not None]
    if not read:
        last = readings[-1]
        status: Status = "unparsed" if last.failure is FailureKind.UNREADABLE else "failed"
        if last.failure is FailureKind.OVER_BUDGET:
            status = "over_budget"
        return Outcome(status, model=last.model, features=last.features, error=last.problem, failure=last.failure)
    first = read[0]
    status = "cached" if all(reading.cached for reading in read) else "asked"
    features = tuple(sorted({feature for reading in read for feature in reading.features}))
    if len(readings) == 1:
        return Outcome(status, first.label, first.confidence, model=first.model, features=features)
    each = [reading.confidence or tuple(float(name == reading.label) for name in names) for reading in read]
    confidence = tuple(sum(values) / len(each) for values in zip(*each, strict=True))
    # Of two labels that are given alike, the first prompt's.
    best = max(names, key=lambda name: (confidence[names.index(name)], name == first.label))
    return Outcome(status, best, confidence, model=first.model, features=("votes", *features))
