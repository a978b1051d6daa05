"""Which answers of an LLM are worth asking for first: orders compared on recorded answers, by the F1 that each share buys.

Nothing is chosen on the texts that are scored: the composite's settings, its probability of error are fitted on
predictions that no member was trained for, the verifier's reliability on the answers about the other four fifths of the texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.unknown_texts.composites import Composite
from hybridner.ensemble import Candidate, decide_predictions, select_entities
from hybridner.ensemble.ballot import Floats
from hybridner.llm import ConfusionMatrix, LlmSettings
from hybridner.llm.fusion import FusionResult, fuse_bayes, resolve_again
from hybridner.llm.value import answer_value
from hybridner.spans import Span

#: Recorded answers are about the first so many texts of each test set.
ANSWERED = {"cluener": 1_343, "cmeee": 720, "msra": 512, "sncm_draft": 400}
SHARES = (0.05, 0.1, 0.2, 0.3)
_FOLDS = 5
SPANS_PER_CALL = LlmSettings().spans_per_call


@dataclass(frozen=True)
class Answer:
    """A recorded answer about a candidate: number of its text and in the text, the fold of its text, what was answered and is
    true (numbers of labels)."""

    text: int
    index: int
    fold: int
    answer: int
    truth: int


@dataclass(frozen=True)
class Recorded:
    """The texts of a set with an LLM's answers.

    Attributes:
        candidates: of each text; their uncertainty is 1 - score.
        spanner: [N] the paper's uncertainty of each candidate with an answer.
        gold: entities of each text.
        labels: O first.
        decoding: "flat" or "nested".
        answers: N of them.
        matrices: the verifier's reliability for each fold of texts, fitted on the answers about the others.
    """

    candidates: list[list[Candidate]]
    spanner: Floats
    gold: list[set[Span]]
    labels: tuple[str, ...]
    decoding: str
    answers: list[Answer]
    matrices: list[ConfusionMatrix]

    def candidate(self, answer: Answer) -> Candidate:
        return self.candidates[answer.text][answer.index]


def load(composite: Composite, path: Path) -> Recorded:
    """The answers to single questions without examples about a composite's test texts."""
    number = {label: index for index, label in enumerate(composite.labels)}
    test = composite.test.select_records(range(min(len(composite.test), ANSWERED[composite.name])))
    decided = decide_predictions(test, composite.settings)
    given = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        if (one["set"], one["condition"]) == (composite.name, "zero-shot"):
            given[one["text"], one["start"], one["end"]] = number.get(one["answer"], 0)
    gold = [set(record.entities) for record in test.records]
    folds = np.random.default_rng(42).permutation(len(test)) % _FOLDS
    answers = []
    for text, (record, row) in enumerate(zip(test.records, decided, strict=True)):
        truth = {(span.start, span.end): number[span.label] for span in record.entities}
        for index, candidate in enumerate(row):
            place = candidate.start, candidate.end
            if candidate.kind is not None and (answer := given.get((record.text, *place))) is not None:
                answers.append(Answer(text, index, int(folds[text]), answer, truth.get(place, 0)))
    by_paper = decide_predictions(test, replace(composite.settings, uncertainty="spanner"))
    names = composite.labels
    matrices = [
        ConfusionMatrix.fit([(names[one.truth], names[one.answer]) for one in answers if one.fold != fold], names)
        for fold in range(_FOLDS)
    ]
    spanner = np.array([by_paper[one.text][one.index].uncertainty for one in answers])
    return Recorded(decided, spanner, gold, names, composite.decoding, answers, matrices)


Order = Callable[[Recorded], Floats]


def _single(measure: Callable[[Candidate], float]) -> Order:
    return lambda recorded: np.array([measure(recorded.candidate(one)) for one in recorded.answers])


def _second(candidate: Candidate) -> float:
    """The probability of the second label. Split conformal prediction gives a candidate all labels whose probability is above a
    level that fitting data set (Vovk et al., 2005); a router that asks where these are several asks in this order as it gets
    stricter, whatever the fitting data."""
    return sorted(candidate.distribution)[-2]


def avoided_errors(recorded: Recorded) -> Floats:
    """The expected number of errors avoided, from the probability of error and the verifier's accuracy about entities and about
    other spans: in the manner of UCCI (arXiv 2605.18796)."""
    kinds = np.array([recorded.candidate(one).is_entity for one in recorded.answers])
    right = np.array([one.truth == one.answer for one in recorded.answers])
    folds = np.array([one.fold for one in recorded.answers])
    accuracy = np.array([right[(folds != fold) & (kinds == kind)].mean() for fold, kind in zip(folds, kinds, strict=True)])
    errors = _single(_error)(recorded)
    return np.asarray(errors * accuracy - (1 - errors) * (1 - accuracy))


def value(recorded: Recorded) -> Floats:
    """By how much the answer can be expected to raise F1, as the package routes."""
    return np.array([answer_value(recorded.candidate(one), recorded.matrices[one.fold]) for one in recorded.answers])


def _error(candidate: Candidate) -> float:
    assert candidate.error_probability is not None
    return candidate.error_probability


def _entropy(candidate: Candidate) -> float:
    p = np.clip(candidate.distribution, 1e-12, 1)
    return float(-(p * np.log(p)).sum())


#: What the others are compared with, and what the package does.
FIXED, VALUE = "fixed tau on u = 1 - score", "value of the answer"
ORDERS: dict[str, Order] = {
    FIXED: _single(lambda candidate: candidate.uncertainty),
    "paper (1 - max p)": lambda recorded: recorded.spanner,
    "entropy": _single(_entropy),
    "conformal": _single(_second),
    "probability of error": _single(_error),
    "errors avoided (UCCI)": avoided_errors,
    VALUE: value,
}


def curve(recorded: Recorded, groups: Sequence[Sequence[Answer]]) -> Floats:
    """[G + 1] F1 where the answers of the first 0, 1, ... G groups have been fused by `bayes`."""
    number = {label: index for index, label in enumerate(recorded.labels)}
    found = [_entities(row) for row in recorded.candidates]
    right = sum(len(mine & truth) for mine, truth in zip(found, recorded.gold, strict=True))
    size = sum(map(len, found)) + sum(map(len, recorded.gold))
    fused: dict[int, dict[int, FusionResult]] = {}
    f1 = [2 * right / size]
    for group in groups:
        text = group[0].text
        for one in group:
            candidate = recorded.candidate(one)
            label = number[candidate.label]
            result = fuse_bayes(candidate.distribution, label, one.answer, recorded.matrices[one.fold])
            fused.setdefault(text, {})[one.index] = result
        now = _entities(resolve_again(recorded.candidates[text], fused[text], recorded.labels, recorded.decoding))
        right += len(now & recorded.gold[text]) - len(found[text] & recorded.gold[text])
        size += len(now) - len(found[text])
        found[text] = now
        f1.append(2 * right / size)
    return np.array(f1)


def singly(recorded: Recorded, order: Floats) -> list[list[Answer]]:
    """One span a call, the largest first."""
    return [[recorded.answers[place]] for place in np.argsort(-order, kind="stable")]


def jointly(recorded: Recorded, order: Floats) -> list[list[Answer]]:
    """Up to `SPANS_PER_CALL` spans of a text in a call, as they come in the order; the calls of the largest sum first."""
    calls: list[tuple[float, list[Answer]]] = []
    open_calls: dict[int, int] = {}
    for place in np.argsort(-order, kind="stable"):
        one, gain = recorded.answers[place], max(float(order[place]), 0.0)
        number = open_calls.get(one.text)
        if number is None or len(calls[number][1]) == SPANS_PER_CALL:
            open_calls[one.text] = len(calls)
            calls.append((gain, [one]))
        else:
            calls[number] = calls[number][0] + gain, [*calls[number][1], one]
    return [group for _, group in sorted(calls, key=lambda call: -call[0])]


def _entities(row: Sequence[Candidate]) -> set[Span]:
    return {Span(c.start, c.end, c.label) for c in select_entities(row)}


def measure(recorded: Recorded) -> dict[str, Any]:
    """For each order F1 in percent at `SHARES` of the entities found, the mean over the curve, and how many calls it needs for
    what fixed τ has with a tenth and with a fifth; so too where several spans share a call."""
    entities = sum(len(select_entities(row)) for row in recorded.candidates)
    orders = {name: order(recorded) for name, order in ORDERS.items()}
    fixed = curve(recorded, singly(recorded, orders[FIXED]))
    x = np.arange(len(fixed)) / entities
    figures: dict[str, Any] = {}
    for name, order in orders.items():
        f1 = curve(recorded, singly(recorded, order))
        figures[name] = {
            "at": {str(share): round(100 * float(np.interp(share, x, f1)), 2) for share in SHARES if share <= x[-1] + 0.01},
            "mean": round(100 * float(np.trapezoid(f1, x) / x[-1]), 2),
            "calls for the F1 of fixed tau": _calls(f1, fixed, entities),
        }
    shared = {name: curve(recorded, jointly(recorded, orders[name])) for name in (FIXED, VALUE)}
    return {
        "texts": len(recorded.gold),
        "entities found": entities,
        "answers": len(recorded.answers),
        "orders": figures,
        "several spans a call": {
            "spans a call, at most": SPANS_PER_CALL,
            "calls": len(shared[FIXED]) - 1,
            **{f"{name}, against one span a call": _calls(f1, fixed, entities) for name, f1 in shared.items()},
            "mean": {name: round(100 * float(np.trapezoid(f1) / (len(f1) - 1)), 2) for name, f1 in shared.items()},
        },
    }


def _calls(f1: Floats, fixed: Floats, entities: int) -> dict[str, float | None]:
    """How many calls a curve needs for the best F1 that fixed τ has up to a share of the entities, for each call of fixed τ; None
    where it never gets there."""
    found: dict[str, float | None] = {}
    for share in (0.1, 0.2):
        wanted = fixed[: round(share * entities) + 1].max() - 1e-12
        reached = np.flatnonzero(f1 >= wanted)
        found[str(share)] = round(int(reached[0]) / max(int(np.argmax(fixed >= wanted)), 1), 2) if len(reached) else None
    return found
