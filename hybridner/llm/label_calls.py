"""The paper's label choice, call by call: doubtful spans are asked about, once or by two prompts, and the answers read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anyio import to_thread

from hybridner.llm.answers import AnswerReader
from hybridner.llm.calls import CallRunner
from hybridner.llm.confusion import Distribution
from hybridner.llm.plan import Plan, PlannedCall, estimate_usage
from hybridner.llm.prompts import Prompter
from hybridner.llm.provenance import Outcome
from hybridner.llm.verifier import Answer, Question, VerifierError
from hybridner.spans import NON_ENTITY

#: By number of the text and of the candidate in it.
Outcomes = dict[tuple[int, int], Outcome]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one prompt brought for one span; `confidence` is empty where the verifier gives no probabilities."""

    label: str | None
    confidence: Distribution
    answer: Answer
    cached: bool
    problem: str


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
    """Ask, read, and where something could not be read ask once more; what then is no label stays unread."""
    question = call.question
    first, cached = await runner.ask(question, call.estimate)
    labels = await to_thread.run_sync(reader.read_labels, first.content, question.count)
    source = [(first, cached)] * question.count
    problem = "the answer is none of the labels"
    again = prompter.build_retry(question, first.content)
    estimate = estimate_usage(again)
    if None in labels and runner.budget.reserve(estimate):
        try:
            second, cached = await runner.ask(again, estimate)
        except VerifierError as error:
            problem = f"{problem}, and when asked once more: {error}"
        else:
            more = await to_thread.run_sync(reader.read_labels, second.content, question.count)
            source = [pair if label else (second, cached) for label, pair in zip(labels, source, strict=True)]
            labels = tuple(label or new for label, new in zip(labels, more, strict=True))
    runner.stats.add(unparsed=labels.count(None))
    return [
        _Reading(label, _confidence(answer, number, question, names), answer, cached, problem)
        for number, (label, (answer, cached)) in enumerate(zip(labels, source, strict=True))
    ]


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
        return Outcome.unparsed(readings[-1].answer, readings[-1].problem)
    first = read[0]
    status = "cached" if all(reading.cached for reading in read) else "asked"
    features = tuple(sorted({feature for reading in read for feature in reading.answer.features}))
    if len(readings) == 1:
        return Outcome(status, first.label, first.confidence, model=first.answer.model, features=features)
    each = [reading.confidence or tuple(float(name == reading.label) for name in names) for reading in read]
    confidence = tuple(sum(values) / len(each) for values in zip(*each, strict=True))
    # Of two labels that are given alike, the first prompt's.
    best = max(names, key=lambda name: (confidence[names.index(name)], name == first.label))
    return Outcome(status, best, confidence, model=first.answer.model, features=("votes", *features))
