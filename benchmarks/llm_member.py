"""Recorded answers of an LLM replayed behind a composite: as a member, as a verifier of doubtful spans, and both, at their cost.

Nothing is chosen on the sentences that are scored: reliability is fitted on some of the sample's sentences and scored on the
others, over many splits. Costs are estimated from the questions as they would be asked.

  python -m benchmarks.llm_member PREDICTIONS ANSWERS --set cluener --fit PREDICTIONS/cluener-42-fold*.parquet
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.side_by_side import RESULTS
from hybridner.calibration import fit_member, fit_settings
from hybridner.data import label_set
from hybridner.ensemble import Candidate, Predictions, concat_predictions, decide_predictions
from hybridner.llm import ConfusionMatrix, LlmSettings, MemberReliability, expected_gain, join_member
from hybridner.llm.fusion import fuse_bayes, resolve_again
from hybridner.llm.piece_calls import estimate_extraction
from hybridner.llm.plan import estimate_usage
from hybridner.llm.prices import Usage
from hybridner.llm.session import build_prompters
from hybridner.spans import LabelSet, Span

_SPLITS, _FEW = 20, 50
_MIN_GAIN = LlmSettings().min_gain
#: Uncertainty after the LLM's vote above which a span is asked about once more.
_STILL_OPEN = 0.3


@dataclass(frozen=True)
class Sentence:
    """A sentence of the sample: what the composite, the LLM and gold say, and the LLM's answers about routed spans."""

    text: str
    candidates: list[Candidate]
    found: list[Span]
    gold: tuple[Span, ...]
    answers: dict[tuple[int, int], str]


@dataclass(frozen=True)
class Fitted:
    """What was learned from the fitting sentences."""

    member: MemberReliability
    verify: ConfusionMatrix


class Sample:
    """The sentences of one set, with everything that the ways of using the LLM need."""

    def __init__(self, sentences: Sequence[Sentence], labels: LabelSet, decoding: str) -> None:
        self.sentences, self.labels, self.decoding = sentences, labels, decoding
        self.names = labels.with_outside
        self.prompter = build_prompters(labels, LlmSettings(template="zh"))[0]

    def fit(self, rows: Sequence[int]) -> Fitted:
        chosen = [self.sentences[row] for row in rows]
        characters = sum(len(one.text) for one in chosen)
        member = fit_member(
            [one.candidates for one in chosen],
            [one.found for one in chosen],
            [one.gold for one in chosen],
            characters,
            self.names,
        )
        pairs = [pair for one in chosen for pair in _pairs(one, one.candidates)]
        verify = ConfusionMatrix.fit(pairs, self.names)
        return Fitted(member, verify)

    def member(self, one: Sentence, fitted: Fitted) -> list[Candidate]:
        joined = join_member(one.candidates, one.found, [(0, len(one.text))], fitted.member, self.decoding)
        return [item.candidate for item in joined]

    def verify(self, one: Sentence, candidates: list[Candidate], matrix: ConfusionMatrix) -> list[Candidate]:
        number = {name: index for index, name in enumerate(self.names)}
        fused = {
            index: fuse_bayes(candidate.distribution, number[candidate.label], number[answer], matrix)
            for index, candidate in enumerate(candidates)
            if (answer := one.answers.get((candidate.start, candidate.end))) is not None
        }
        return resolve_again(candidates, fused, self.names, self.decoding)

    def cost_of_member(self, one: Sentence) -> Usage:
        entities = sum(candidate.is_entity for candidate in one.candidates)
        return estimate_extraction(self.prompter.build_extraction(one.text), entities)

    def cost_of_verify(self, one: Sentence, candidates: Sequence[Candidate], several: bool = True) -> Usage:
        spans = [(c.start, c.end) for c in candidates if (c.start, c.end) in one.answers]
        if not spans:
            return Usage()
        asked = [spans] if several else [[span] for span in spans]
        context = self.prompter.select_context(one.text, *spans[0])
        return sum((estimate_usage(self.prompter.build_question(one.text, some, context)) for some in asked), Usage())


def _pairs(one: Sentence, candidates: Sequence[Candidate]) -> list[tuple[str, str]]:
    truth = {(span.start, span.end): span.label for span in one.gold}
    places = [(candidate.start, candidate.end) for candidate in candidates]
    return [(truth.get(place, "O"), one.answers[place]) for place in places if place in one.answers]


def _spans(candidates: Sequence[Candidate]) -> set[Span]:
    return {Span(c.start, c.end, c.label) for c in candidates if c.is_entity}


def _f1(found: Sequence[set[Span]], gold: Sequence[tuple[Span, ...]]) -> float:
    right = sum(len(mine & set(truth)) for mine, truth in zip(found, gold, strict=True))
    size = sum(map(len, found)) + sum(len(set(truth)) for truth in gold)
    return 100 * 2 * right / size if size else 0.0


def _cost(usages: Sequence[Usage]) -> dict[str, int]:
    total = sum(usages, Usage())
    return {"calls": total.calls, "tokens": total.tokens}


def measure(sample: Sample) -> dict[str, Any]:
    """F1 of every way, mean and standard deviation over the splits, on the sentences that nothing was fitted on."""
    found: dict[str, list[float]] = {}
    costs: dict[str, list[dict[str, int]]] = {}
    size = len(sample.sentences)
    for seed in range(_SPLITS):
        order = np.random.default_rng(seed).permutation(size)
        few = [(order[:_FEW], order[_FEW:])]
        halves = [(order[: size // 2], order[size // 2 :]), (order[size // 2 :], order[: size // 2])]
        for suffix, parts in ((f" ({_FEW})", few), (" (half)", halves)):
            results: dict[str, list[set[Span]]] = {}
            used: dict[str, list[Usage]] = {}
            gold: list[tuple[Span, ...]] = []
            for fitting, scored in parts:
                fitted = sample.fit(fitting.tolist())
                rows = [sample.sentences[row] for row in scored.tolist()]
                gold += [one.gold for one in rows]
                for name, way in _ways(sample, rows, fitted).items():
                    outcome, usage = way()
                    results.setdefault(name, []).extend(outcome)
                    used.setdefault(name, []).extend(usage)
            for name, outcome in results.items():
                found.setdefault(name + suffix, []).append(_f1(outcome, gold))
                costs.setdefault(name + suffix, []).append(_cost(used[name]))
    return {
        name: {
            "f1": round(float(np.mean(values)), 2),
            "sd": round(float(np.std(values)), 2),
            **{unit: round(float(np.mean([cost[unit] for cost in costs[name]]))) for unit in ("calls", "tokens")},
        }
        for name, values in found.items()
    }


Way = Callable[[], tuple[list[set[Span]], list[Usage]]]


def _ways(sample: Sample, rows: Sequence[Sentence], fitted: Fitted) -> dict[str, Way]:
    """The ways of using the LLM: what comes out for each sentence, and what it costs."""
    asked = [sample.cost_of_verify(one, one.candidates) for one in rows]
    calls = sum(usage.calls for usage in asked)
    gains = [expected_gain(one.candidates, len(one.text), fitted.member) for one in rows]

    def as_member(chosen: set[int]) -> tuple[list[set[Span]], list[Usage]]:
        outcome = [_spans(sample.member(one, fitted) if number in chosen else one.candidates) for number, one in enumerate(rows)]
        return outcome, [sample.cost_of_member(rows[number]) for number in sorted(chosen)]

    def best(count: int) -> set[int]:
        return set(sorted(range(len(rows)), key=lambda number: -gains[number])[:count])

    def both() -> tuple[list[set[Span]], list[Usage]]:
        outcome, usages = [], []
        for one in rows:
            joined = sample.member(one, fitted)
            places = {(c.start, c.end) for c in joined if c.uncertainty > _STILL_OPEN}
            left = replace(one, answers={place: answer for place, answer in one.answers.items() if place in places})
            outcome.append(_spans(sample.verify(left, joined, fitted.verify)))
            usages += [sample.cost_of_member(one), sample.cost_of_verify(left, joined)]
        return outcome, usages

    random_choice = set(np.random.default_rng(0).permutation(len(rows))[:calls].tolist())
    return {
        "composite": lambda: ([_spans(one.candidates) for one in rows], []),
        "LLM alone": lambda: ([set(one.found) for one in rows], [sample.cost_of_member(one) for one in rows]),
        "verify": lambda: ([_spans(sample.verify(one, one.candidates, fitted.verify)) for one in rows], asked),
        "verify, one span a call": lambda: (
            [_spans(sample.verify(one, one.candidates, fitted.verify)) for one in rows],
            [sample.cost_of_verify(one, one.candidates, several=False) for one in rows],
        ),
        "member": lambda: as_member(set(range(len(rows)))),
        "member, as by default": lambda: as_member({number for number, gain in enumerate(gains) if gain >= _MIN_GAIN}),
        "member, as many calls as verify, by expected gain": lambda: as_member(best(calls)),
        "member, as many calls as verify, at random": lambda: as_member(random_choice),
        "member, half the sentences by expected gain": lambda: as_member(best(len(rows) // 2)),
        "both": both,
    }


def load(options: argparse.Namespace) -> Sample:
    fit = concat_predictions([Predictions.load(path) for path in options.fit])
    decoding = "nested" if options.set == "cmeee" else "flat"
    settings = replace(fit_settings(fit, (), decoding), strategy=options.strategy, uncertainty="score")
    test = Predictions.load(options.predictions / f"{options.set}-42-test.parquet")
    number = {record.text: row for row, record in enumerate(test.records)}
    recorded = [json.loads(line) for line in (options.answers / "extractions.jsonl").read_text("utf-8").splitlines()]
    recorded = [one for one in recorded if (one["set"], one["split"]) == (options.set, "test")]
    sample = test.select_records([number[one["text"]] for one in recorded])
    answers: dict[str, dict[tuple[int, int], str]] = {}
    for line in (options.answers / "labels.jsonl").read_text("utf-8").splitlines():
        one = json.loads(line)
        if (one["set"], one["condition"]) == (options.set, "zero-shot"):
            label = "O" if one["answer"] == "Non-Entity" else one["answer"]
            answers.setdefault(one["text"], {})[one["start"], one["end"]] = label
    sentences = [
        Sentence(
            record.text,
            row,
            [Span(e["start"], e["end"], e["label"]) for e in one["entities"]],
            record.entities,
            answers.get(record.text, {}),
        )
        for record, row, one in zip(sample.records, decide_predictions(sample, settings), recorded, strict=True)
    ]
    known = {label.name: label for label in label_set(options.labels or options.set).labels}
    labels = LabelSet(tuple(known[name] for name in test.labels[1:]), label_set(options.labels or options.set).domain)
    return Sample(sentences, labels, decoding)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `load` needs."""
    parser.add_argument("predictions", type=Path, help="folder of predictions, SET-42-test.parquet among them")
    parser.add_argument("answers", type=Path, help="folder of recorded answers: extractions.jsonl, labels.jsonl")
    parser.add_argument("--set", required=True)
    parser.add_argument("--labels", help="label set, where it is not called as the set")
    parser.add_argument("--fit", nargs="+", required=True, help="predictions that the combiner is fitted on")
    parser.add_argument("--strategy", default="pool")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    options = parser.parse_args()
    sample = load(options)
    figures = measure(sample)
    path = RESULTS / "llm_member.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[options.set] = {"sentences": len(sample.sentences), "splits": _SPLITS, "strategy": options.strategy, "ways": figures}
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    for name, figure in figures.items():
        print(f"{options.set:12}{name:62}{figure}")


if __name__ == "__main__":
    main()
