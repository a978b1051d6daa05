"""A real LLM behind a trained composite, by hand: accuracy on routed spans, F1 before and after each fusion, the pure LLM, cost.

The confusion matrix is fitted on answers about training sentences, routed by out-of-fold predictions, so that no member that
speaks about a sentence has seen it; the evaluation data chooses nothing. All answers are kept in a cache file: a stopped run goes
on, and a finished one is repeated without a server, from which the costs are taken.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.side_by_side import report
from hybridner import HybridNerModel, LabelSet
from hybridner.data import label_set, read_records
from hybridner.ensemble import Candidate, Predictions, decide_predictions
from hybridner.evaluation import score_spans
from hybridner.evaluation.metrics import text_counts
from hybridner.evaluation.significance import bootstrap_p, f1_from_counts, interval, resample
from hybridner.hybrid import ExampleIndex
from hybridner.llm import (
    AnswerCache,
    ConfusionMatrix,
    LlmSettings,
    LlmStage,
    OpenAIVerifier,
    VerifiedCandidate,
    collect_answer_pairs,
    count_errors,
    extract,
    route,
)
from hybridner.spans import Record, Span


@dataclass(frozen=True)
class Material:
    """Records with the candidates that the composite has in them."""

    records: Sequence[Record]
    candidates: Sequence[list[Candidate]]

    @property
    def texts(self) -> list[str]:
        return [record.text for record in self.records]

    @property
    def gold(self) -> list[tuple[Span, ...]]:
        return [record.entities for record in self.records]

    def enough(self, threshold: float, spans: int) -> Material:
        """The first records, as many as it takes to have so many routed spans."""
        routed = 0
        for number, row in enumerate(self.candidates, 1):
            routed += len(route([row], threshold))
            if routed >= spans:
                return Material(self.records[:number], self.candidates[:number])
        return self


class Bench:
    """One LLM, one composite, one file of answers."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.model = HybridNerModel.from_pretrained(options.composite)
        known = {label.name: label for label in label_set(options.labels).labels}
        names = self.model.config.labels.names
        self.labels = LabelSet(tuple(known[name] for name in names), label_set(options.labels).domain)
        self.verifier = OpenAIVerifier(options.model, options.url, "none", timeout=3600.0, max_retries=2, concurrency=1)
        self.settings = LlmSettings(threshold=options.threshold, template="zh", fusion="replace", time_limit=None)
        self.path = options.cache

    def verify(
        self, material: Material, settings: LlmSettings, examples: ExampleIndex | None = None
    ) -> list[list[VerifiedCandidate]]:
        """Ask what the file of answers does not hold yet."""
        return self._run(material, settings, examples, AnswerCache(self.path))[0]

    def cost(self, material: Material, settings: LlmSettings, examples: ExampleIndex | None = None) -> dict[str, Any]:
        """What asking all of it took, whenever that was."""
        return self._run(material, settings, examples, AnswerCache(self.path, "replay"))[1]

    def _run(
        self, material: Material, settings: LlmSettings, examples: ExampleIndex | None, cache: AnswerCache
    ) -> tuple[list[list[VerifiedCandidate]], dict[str, Any]]:
        find = examples.finder(self.model, material.texts, material.candidates, settings.examples_per_span) if examples else None
        with LlmStage(self.verifier, self.labels, settings, cache=cache) as stage:
            rows = stage.run(material.texts, material.candidates, find)
            return rows, stage.report().to_dict()


def entities(rows: Sequence[Sequence[Candidate]]) -> list[list[Span]]:
    return [[Span(c.start, c.end, c.label) for c in row if c.is_entity] for row in rows]


def f1(material: Material, rows: Sequence[Sequence[Candidate]]) -> dict[str, float]:
    return score_spans(material.gold, entities(rows)).micro.to_dict()


def fused(rows: Sequence[Sequence[VerifiedCandidate]]) -> list[list[Candidate]]:
    return [[item.candidate for item in row] for row in rows]


def gain(material: Material, rows: Sequence[Sequence[Candidate]]) -> dict[str, Any]:
    """F1 points above the composite alone: difference, 95 % interval and p of the paired bootstrap over sentences."""
    counts = np.stack([text_counts(material.gold, entities(side)) for side in (material.candidates, rows)], axis=1)
    resampled = 100 * f1_from_counts(resample(counts))
    differences = resampled[:, 1] - resampled[:, 0]
    before, after = 100 * f1_from_counts(counts.sum(0))
    return {"points": after - before, "interval": interval(differences), "p": bootstrap_p(differences)}


def accuracy(material: Material, rows: Sequence[Sequence[VerifiedCandidate]]) -> dict[str, float]:
    """Share of right labels (Non-Entity included) on the spans that the LLM gave a label, by both sides."""
    local = llm = either = total = 0
    for gold, row in zip(material.gold, rows, strict=True):
        truth = {(span.start, span.end): span.label for span in gold}
        for item in row:
            if item.provenance.llm_label is not None:
                right = truth.get((item.candidate.start, item.candidate.end), "O")
                sides = item.provenance.local_label == right, item.provenance.llm_label == right
                total += 1
                local += sides[0]
                llm += sides[1]
                either += any(sides)
    return {"spans": total, "local": local / total, "llm": llm / total, "either": either / total}


def with_llm(bench: Bench, fitting: Material, measured: Material, examples: ExampleIndex | None) -> dict[str, Any]:
    """Accuracy, F1 of every fusion and cost with one form of the question."""
    base = bench.settings
    fit_rows = bench.verify(fitting, base, examples)
    pairs = collect_answer_pairs(fit_rows, fitting.gold)
    matrix = ConfusionMatrix.fit(pairs, bench.labels.with_outside)
    right = sum(true == answer for true, answer in pairs) / len(pairs)
    ways = {
        "replace": base,
        "bayes, stated accuracy 0.6": replace(base, fusion="bayes", accuracy=0.6),
        "bayes, accuracy on the fitting spans": replace(base, fusion="bayes", accuracy=right),
        "bayes, fitted matrix": replace(base, fusion="bayes", confusion=matrix),
    }
    verified = {name: bench.verify(measured, settings, examples) for name, settings in ways.items()}
    rows = {name: fused(found) for name, found in verified.items()}
    return {
        "fitting": {"sentences": len(fitting.records), "answers": len(pairs), **accuracy(fitting, fit_rows)},
        "routed": accuracy(measured, verified["replace"]),
        "f1": {name: f1(measured, found) for name, found in rows.items()},
        "gain": {name: gain(measured, found) for name, found in rows.items()},
        "confusion": matrix.to_dict(),
        "cost": bench.cost(measured, base, examples),
        "cost_of_fitting": bench.cost(fitting, base, examples),
    }


def pure_llm(bench: Bench, material: Material) -> dict[str, Any]:
    """The LLM alone, zero-shot, one question a sentence (section 3.4)."""
    extract(material.texts, bench.labels, bench.verifier, template="zh", cache=AnswerCache(bench.path))
    found, cost = extract(material.texts, bench.labels, bench.verifier, template="zh", cache=AnswerCache(bench.path, "replay"))
    spans = [result.spans for result in found]
    return {
        "sentences": len(found),
        "f1": score_spans(material.gold, spans).micro.to_dict(),
        "f1_of_the_composite": f1(material, material.candidates),
        "errors": count_errors(spans, material.gold).to_dict(),
        "altered": sum(result.altered for result in found),
        "not_in_the_sentence": sum(len(result.unfound) for result in found),
        "unreadable_lines": sum(result.unreadable for result in found),
        "failed": sum(result.error is not None for result in found),
        "cost": cost.to_dict(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("composite")
    parser.add_argument("fitting", help="out-of-fold predictions that `hybridner crossval` made")
    parser.add_argument("evaluation", help="labelled file to measure on")
    parser.add_argument("--labels", default="cluener", help="data set whose label descriptions are used")
    parser.add_argument("--url", default="http://127.0.0.1:8901/v1")
    parser.add_argument("--model", default="local")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--spans", type=int, default=300, help="routed spans to measure on (300)")
    parser.add_argument("--fit", type=int, default=400, help="routed spans to fit the confusion matrix on (400)")
    parser.add_argument("--sentences", type=int, default=150, help="sentences for the LLM alone (150)")
    parser.add_argument("--examples", help="index made by `hybridner examples`; everything is measured with it as well")
    parser.add_argument("--cache", default="llm-answers.sqlite")
    options = parser.parse_args()

    bench = Bench(options)
    oof, records = Predictions.load(options.fitting), read_records(options.evaluation)
    fitting = Material(oof.records, decide_predictions(oof, bench.model.decision_settings)).enough(options.threshold, options.fit)
    texts = [record.text for record in records]
    everything = Material(records, [list(found.candidates) for found in bench.model.predict(texts, batch_size=32)])
    measured = everything.enough(options.threshold, options.spans)
    first = Material(records[: options.sentences], everything.candidates[: options.sentences])

    figures = {
        "evaluation": {"file": Path(options.evaluation).name, "sentences": len(measured.records)},
        "threshold": options.threshold,
        "model": options.model,
        "f1_local": f1(measured, measured.candidates),
        "questions": with_llm(bench, fitting, measured, None),
    }
    if options.examples:
        index = ExampleIndex.of(options.examples, bench.model)
        figures["questions_with_examples"] = with_llm(bench, fitting, measured, index)
    figures["pure_llm"] = pure_llm(bench, first)
    report("llm_fusion", figures)


if __name__ == "__main__":
    main()
