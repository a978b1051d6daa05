"""A small LLM behind a composite, by hand: label questions in several forms, and as a member, beside a strong LLM's answers.

Questions go to an OpenAI-compatible server; answers are kept in a file, so that a stopped run goes on and a finished one is
measured again without a server (`--replay`). Asked about are the spans that a strong LLM was asked about (CLUENER dev), first
those of the sentences that it also extracted the entities of, so that every way can be compared with it.

  python -m benchmarks.weak_llm PREDICTIONS ANSWERS --fit PREDICTIONS/cluener-42-fold*.parquet --url http://127.0.0.1:8917/v1
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.llm_examples import gold_examples, hard_examples
from benchmarks.llm_member import Fitted, Sample, Sentence, _f1, _spans
from benchmarks.llm_several import read_answers
from benchmarks.side_by_side import report
from benchmarks.weak_llm_questions import Asked, Place, Questions, ask_all, choose_spans, cost, cost_of_all
from hybridner.calibration import fit_settings
from hybridner.data import label_set
from hybridner.ensemble import Candidate, Predictions, concat_predictions, decide_predictions
from hybridner.evaluation.metrics import text_counts
from hybridner.evaluation.significance import f1_from_counts, interval, resample
from hybridner.llm import AnswerCache, ConfusionMatrix, LlmSettings, MemberReliability, OpenAIVerifier
from hybridner.llm.answers import AnswerReader
from hybridner.llm.extraction import count_errors, read_extraction
from hybridner.llm.fusion import FUSIONS, Fusion, resolve_again
from hybridner.llm.verifier import Answer
from hybridner.spans import LabelSet, Span

_SPLITS, _FOLDS = 10, 5


@dataclass(frozen=True)
class Composite:
    """What the composite says about the test sentences."""

    test: Predictions
    labels: LabelSet
    rows: list[list[Candidate]]

    def sample(self, extracted: Mapping[str, Sequence[Mapping[str, Any]]], *, only: bool = False) -> Sample:
        """The sentences with what a strong LLM extracted from some; or only those."""
        sentences = [
            Sentence(
                record.text,
                row,
                [Span(e["start"], e["end"], e["label"]) for e in extracted.get(record.text, ())],
                record.entities,
                {},
            )
            for record, row in zip(self.test.records, self.rows, strict=True)
            if not only or record.text in extracted
        ]
        return Sample(sentences, self.labels, "flat")

    def routed(self, strong: Mapping[str, Mapping[Place, str]]) -> dict[str, Any]:
        """How many spans and sentences are asked about, and their shares of the entities found and of the sentences."""
        entities = sum(candidate.is_entity for row in self.rows for candidate in row)
        count = sum(map(len, strong.values()))
        return {
            "spans": count,
            "sentences": len(strong),
            "per_entity_found": round(count / entities, 3),
            "share_of_sentences": round(len(strong) / len(self.rows), 3),
        }


def load_composite(predictions: Path, fit: Sequence[str]) -> Composite:
    settings = replace(
        fit_settings(concat_predictions([Predictions.load(path) for path in fit])), strategy="pool", uncertainty="score"
    )
    test = Predictions.load(predictions / "cluener-42-test.parquet")
    known = label_set("cluener")
    by_name = {label.name: label for label in known.labels}
    labels = LabelSet(tuple(by_name[name] for name in test.labels[1:]), known.domain)
    return Composite(test, labels, decide_predictions(test, settings))


@dataclass(frozen=True)
class Said:
    """What one answer says about a span: its label, and the LLM's own probabilities [K + 1] where the server gave them."""

    label: str
    confidence: tuple[float, ...] = ()


Saying = dict[tuple[str, Place], Said]


def read(asked: Sequence[Asked], answers: Sequence[Answer | None], reader: AnswerReader) -> tuple[Saying, int]:
    """The readable answers by span, and how many spans were answered at all."""
    said: Saying = {}
    answered = 0
    for one, answer in zip(asked, answers, strict=True):
        if answer is None:
            continue
        answered += len(one.places)
        for number, (place, label) in enumerate(
            zip(one.places, reader.read_labels(answer.content, len(one.places)), strict=True)
        ):
            if label is not None:
                row = answer.probabilities[number] if answer.probabilities else ()
                said[one.text, place] = Said(label, (row[-1], *row[:-1]) if row else ())
    return said, answered


def agreeing(one: Saying, other: Saying, names: Sequence[str]) -> Saying:
    """Two prompts' answers as one, as `votes: 2` makes it: the mean of their probabilities."""
    merged: Saying = {}
    for key in one.keys() & other.keys():
        rows = [said.confidence or tuple(float(name == said.label) for name in names) for said in (one[key], other[key])]
        mean = tuple(sum(values) / 2 for values in zip(*rows, strict=True))
        merged[key] = Said(names[int(np.argmax(mean))], mean)
    return merged


class Verifying:
    """Label answers behind the composite, on whole sentences of routed spans."""

    def __init__(self, sample: Sample, spans: Sequence[tuple[str, Place]]) -> None:
        self.names, self.spans = sample.names, list(spans)
        texts = {text for text, _ in spans}
        self.sentences = [one for one in sample.sentences if one.text in texts]
        self.gold = [one.gold for one in self.sentences]
        self._truth = {one.text: {(s.start, s.end): s.label for s in one.gold} for one in self.sentences}
        self._local = {one.text: {(c.start, c.end): c.label for c in one.candidates} for one in self.sentences}

    def right(self, said: Mapping[tuple[str, Place], str]) -> dict[str, Any]:
        """Percent of spans that the LLM, the composite, and either label as annotators do, Non-Entity included."""
        rows = []
        for (text, place), label in said.items():
            true = self._truth[text].get(place, "O")
            rows.append((label == true, self._local[text].get(place, "O") == true))
        array = np.array(rows, dtype=bool).reshape(-1, 2)
        shares = {"llm": array[:, 0], "composite": array[:, 1], "either": array.any(1)}
        return {
            "spans": len(rows),
            **{name: round(100 * float(values.mean()), 1) for name, values in shares.items() if len(rows)},
        }

    def f1(self, said: Saying, way: str = "bayes", *, confident: bool = False) -> dict[str, Any]:
        """Entity F1 with `replace`, or with `bayes` and a matrix that is fitted on other sentences (five-fold, over splits)."""
        results = [self._fused(said, way, confident, seed) for seed in range(_SPLITS if way == "bayes" else 1)]
        values = [_f1(found, self.gold) for found in results]
        return {"f1": round(float(np.mean(values)), 2), "sd": round(float(np.std(values)), 2), **self._gain(results[0])}

    def _gain(self, found: Sequence[set[Span]]) -> dict[str, Any]:
        before = [sorted(_spans(one.candidates)) for one in self.sentences]
        sides = (before, [sorted(spans) for spans in found])
        counts = np.stack([text_counts(self.gold, side) for side in sides], axis=1)
        resampled = 100 * f1_from_counts(resample(counts))
        low, high = interval(resampled[:, 1] - resampled[:, 0])
        return {"gain_interval": [round(low, 2), round(high, 2)]}

    def _fused(self, said: Saying, way: str, confident: bool, seed: int) -> list[set[Span]]:
        found: list[set[Span]] = [set()] * len(self.sentences)
        for fold in np.array_split(np.random.default_rng(seed).permutation(len(self.sentences)), _FOLDS):
            held = set(fold.tolist())
            others = [one for number, one in enumerate(self.sentences) if number not in held]
            pairs = [
                (self._truth[one.text].get((c.start, c.end), "O"), answer.label)
                for one in others
                for c in one.candidates
                if (answer := said.get((one.text, (c.start, c.end)))) is not None
            ]
            matrix = ConfusionMatrix.fit(pairs, self.names)
            for number in held:
                found[number] = self._fuse(self.sentences[number], said, FUSIONS[way], confident, matrix)
        return found

    def _fuse(self, one: Sentence, said: Saying, fuse: Fusion, confident: bool, matrix: ConfusionMatrix) -> set[Span]:
        number = {name: index for index, name in enumerate(self.names)}
        fused = {
            index: fuse(
                candidate.distribution,
                number[candidate.label],
                number[answer.label],
                matrix,
                answer.confidence if confident else (),
            )
            for index, candidate in enumerate(one.candidates)
            if (answer := said.get((one.text, (candidate.start, candidate.end)))) is not None
        }
        return _spans(resolve_again(one.candidates, fused, self.names, "flat"))


def as_member(sample: Sample, asked: Sequence[Asked], answers: Sequence[Answer | None], reader: AnswerReader) -> dict[str, Any]:
    """The LLM as a member on the sentences that it has read, beside the strong one on the same."""
    readings = {
        one.text: read_extraction(one.text, answer.content, reader, truncated=answer.truncated)
        for one, answer in zip(asked, answers, strict=True)
        if answer is not None
    }
    weak = {text: list(found.spans) for text, found in readings.items()}
    strong = [one for one in sample.sentences if one.text in weak]
    sides = {"weak": [replace(one, found=weak[one.text]) for one in strong], "strong": strong}
    figures: dict[str, Any] = {
        "sentences": len(strong),
        "weak: what it found": {
            "gold": sum(len(one.gold) for one in strong),
            **count_errors([weak[one.text] for one in strong], [one.gold for one in strong]).to_dict(),
            "not in the sentence": sum(len(found.unfound) for found in readings.values()),
            "unreadable lines": sum(found.unreadable for found in readings.values()),
        },
    }
    for name, sentences in sides.items():
        part = Sample(sentences, sample.labels, "flat")
        gold = [one.gold for one in sentences]
        unfitted = Fitted(
            MemberReliability.from_accuracy(LlmSettings().accuracy, part.names), ConfusionMatrix.fit([], part.names)
        )
        values: list[float] = []
        fitted: list[Fitted] = []
        for seed in range(_SPLITS):
            order = np.random.default_rng(seed).permutation(len(sentences)).tolist()
            half = len(order) // 2
            found: list[set[Span]] = [set()] * len(sentences)
            for fitting, scored in ((order[:half], order[half:]), (order[half:], order[:half])):
                fitted.append(part.fit(fitting))
                for number in scored:
                    found[number] = _spans(part.member(sentences[number], fitted[-1]))
            values.append(_f1(found, gold))
        rows = [np.array(one.member.matrix.rows) ** one.member.matrix.trust for one in fitted]
        ratio = [float(np.median(row[0, 0] / row[1:, 0])) for row in rows]
        figures |= {
            "composite": round(_f1([_spans(one.candidates) for one in sentences], gold), 2),
            f"{name} alone": round(_f1([set(one.found) for one in sentences], gold), 2),
            f"{name} as a member, fitted on halves": {
                "f1": round(float(np.mean(values)), 2),
                "sd": round(float(np.std(values)), 2),
            },
            f"{name} as a member, nothing fitted": round(_f1([_spans(part.member(one, unfitted)) for one in sentences], gold), 2),
            f"{name}: evidence of silence against an entity, odds": round(float(np.mean(ratio)), 2),
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("predictions", type=Path, help="folder of predictions, cluener-42-test.parquet among them")
    parser.add_argument("answers", type=Path, help="folder of recorded answers: labels.jsonl, extractions.jsonl")
    parser.add_argument("--fit", nargs="+", required=True, help="out-of-fold predictions")
    parser.add_argument("--url", default="http://127.0.0.1:8901/v1")
    parser.add_argument("--model", default="qwen2.5-coder-1.5b-instruct-q4_k_m")
    parser.add_argument("--about", default="", help="the model's weights and the server, for the record")
    parser.add_argument("--cache", default="weak-llm.sqlite")
    parser.add_argument("--replay", action="store_true", help="ask nothing; measure on what has been answered")
    parser.add_argument("--spans", type=int, default=300)
    parser.add_argument("--examples", type=int, default=100, help="spans asked about with examples (100)")
    parser.add_argument("--free", type=int, default=60, help="spans asked about without constraints (60)")
    options = parser.parse_args()

    strong = read_answers(options.answers / "labels.jsonl")
    composite = load_composite(options.predictions, options.fit)
    recorded = [json.loads(line) for line in (options.answers / "extractions.jsonl").read_text("utf-8").splitlines()]
    extracted = {one["text"]: one["entities"] for one in recorded if (one["set"], one["split"]) == ("cluener", "test")}
    sample = composite.sample(extracted)
    spans = choose_spans([one.text for one in sample.sentences], strong, list(extracted), options.spans)
    questions = Questions(sample.labels, spans, list(extracted))
    folds = concat_predictions([Predictions.load(path) for path in options.fit])
    known = [*gold_examples(folds), *hard_examples(folds)]

    cache = AnswerCache(options.cache, "replay" if options.replay else "use")
    servers = {}
    for probe in (True, False):
        servers[probe] = OpenAIVerifier(
            options.model, options.url, "none", timeout=900.0, max_retries=2, concurrency=1, probe=probe
        )
        servers[probe].memory = cache
    plain = {"extraction": questions.extraction(), "free": questions.single()[: options.free]}
    probed = {
        "single": questions.single(),
        "several": questions.several(),
        "other order": questions.single(1),
        "examples": questions.with_examples(known, options.examples),
    }
    asked = {**probed, **plain}
    answers = {name: ask_all(name, some, servers[name in probed], cache) for name, some in asked.items()}
    costs = {name: cost(given) for name, given in answers.items()}
    cache.close()

    reader = AnswerReader(sample.labels, "非实体")
    said = {name: read(asked[name], answers[name], reader)[0] for name in asked if name != "extraction"}
    readable = {
        name: {"asked": count, "readable": len(said[name])}
        for name in said
        if (count := read(asked[name], answers[name], reader)[1])
    }
    single, names = said["single"], sample.names
    verify = Verifying(sample, spans)
    both = agreeing(single, said["other order"], names)
    in_common = {key: single[key] for key in both}
    agreed = {key: both[key] for key in both if single[key].label == said["other order"][key].label}
    together = {**single, **said["several"]}
    with_examples = said["examples"]
    shorter = {key: single[key] for key in with_examples}
    free = {key: single[key] for key in said["free"]}

    def right(some: Saying) -> dict[str, Any]:
        return verify.right({key: one.label for key, one in some.items()})

    report(
        "weak_llm",
        {
            "model": options.model,
            "about": options.about,
            "set": "CLUENER dev file; spans that a strong LLM was asked about; seed 42, pool, 12-layer encoder of 384",
            "sentences": len(verify.sentences),
            "splits": _SPLITS,
            "calls": sum(one["calls"] for one in costs.values()),
            "tokens": [sum(one[kind] for one in costs.values()) for kind in ("prompt_tokens", "completion_tokens")],
            "cost": {
                "routed": composite.routed(strong),
                "asked": costs,
                "all_sentences": cost_of_all(strong, len(composite.test.records), costs),
            },
            "features": sorted({feature for a in answers["single"] if a is not None for feature in a.features}),
            "readable": readable,
            "right": {
                "one span a question": right(single),
                "strong LLM, the same spans": verify.right({(text, place): strong[text][place] for text, place in single}),
                "the same spans without constraint": {"held": right(free), "free": right(said["free"])},
                "with six examples": {"without": right(shorter), "with": right(with_examples)},
                "several spans a question": {
                    "one by one": right({key: single[key] for key in said["several"] if key in single}),
                    "together": right(said["several"]),
                },
                "two prompts": {"first": right(in_common), "merged": right(both), "where they agree": right(agreed)},
            },
            "f1": {
                "composite": round(_f1([_spans(one.candidates) for one in verify.sentences], verify.gold), 2),
                "replace": verify.f1(single, "replace"),
                "bayes": verify.f1(single),
                "bayes, log-probabilities": verify.f1(single, confident=True),
                "bayes, several spans a question": verify.f1(together),
                "bayes, spans of both prompts: first": verify.f1(in_common),
                "bayes, spans of both prompts: votes": verify.f1(both, confident=True),
                "bayes, spans with examples: without": verify.f1(shorter),
                "bayes, spans with examples: with": verify.f1(with_examples),
                "strong LLM, bayes": verify.f1({(text, place): Said(strong[text][place]) for text, place in single}),
            },
            "member": as_member(composite.sample(extracted, only=True), asked["extraction"], answers["extraction"], reader),
        },
    )


if __name__ == "__main__":
    main()
