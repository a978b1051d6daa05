"""A real LLM behind a trained composite, by hand: accuracy on routed spans, F1 before and after each fusion, cost.

The confusion matrix is fitted on answers about training sentences that the members never saw, not on the evaluation data.
All answers are kept in a cache file, so that a stopped run goes on and a finished one can be repeated offline.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.side_by_side import report
from hybridner import HybridNerModel, LabelSet
from hybridner.data import label_set, read_records
from hybridner.ensemble import Candidate
from hybridner.evaluation import score_spans
from hybridner.hybrid import read_texts
from hybridner.llm import AnswerCache, ConfusionMatrix, LlmSettings, LlmStage, OpenAIVerifier, Verified, answered_pairs, route
from hybridner.spans import Record, Span
from hybridner.training import load_recipe
from hybridner.training.run import load_data


def described(labels: LabelSet, name: str) -> LabelSet:
    """The model's labels, in its order, with the descriptions of a data set that comes with the package."""
    known = {label.name: label for label in label_set(name).labels}
    return LabelSet(tuple(known[label] for label in labels.names), label_set(name).domain)


def enough(records: Sequence[Record], candidates: Sequence[list[Candidate]], threshold: float, spans: int) -> int:
    """How many of the records it takes to have so many routed spans."""
    routed = 0
    for number, row in enumerate(candidates):
        routed += len(route([row], threshold))
        if routed >= spans:
            return number + 1
    return len(records)


def f1(records: Sequence[Record], rows: Sequence[Sequence[Candidate]]) -> dict[str, float]:
    predicted = [[Span(c.start, c.end, c.label) for c in row if c.chosen] for row in rows]
    return score_spans([record.entities for record in records], predicted).micro.to_dict()


def accuracy(records: Sequence[Record], rows: Sequence[Sequence[Verified]]) -> dict[str, float]:
    """Share of right labels (Non-Entity included) on the spans that the LLM gave a label, by both sides."""
    local = llm = total = 0
    for record, row in zip(records, rows, strict=True):
        truth = {(span.start, span.end): span.label for span in record.entities}
        for item in row:
            if item.provenance.llm_label is not None:
                right = truth.get((item.candidate.start, item.candidate.end), "O")
                total += 1
                local += item.provenance.local_label == right
                llm += item.provenance.llm_label == right
    return {"spans": total, "local": local / total, "llm": llm / total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", help="recipe that the composite was trained with (for the sentences it did not see)")
    parser.add_argument("composite")
    parser.add_argument("evaluation", help="labelled file to measure on")
    parser.add_argument("--labels", default="cluener", help="data set whose label descriptions are used")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as in `hybridner train`")
    parser.add_argument("--url", default="http://127.0.0.1:8901/v1")
    parser.add_argument("--model", default="local")
    parser.add_argument("--threshold", type=float, default=0.3)
    parser.add_argument("--spans", type=int, default=300, help="routed spans to measure on")
    parser.add_argument("--fit", type=int, default=300, help="routed spans to fit the confusion matrix on")
    parser.add_argument("--cache", default="llm-answers.sqlite")
    options = parser.parse_args()

    recipe = load_recipe(options.recipe, dict(text.split("=", 1) for text in options.set))
    model = HybridNerModel.from_pretrained(options.composite)
    labels = described(model.config.labels, options.labels)
    train, dev, _ = load_data(recipe)
    seen = {record.text for record in (*train, *dev)}
    unseen = [record for record in read_records(recipe.data.train) if record.text not in seen]
    measured = read_records(options.evaluation)

    verifier = OpenAIVerifier(options.model, options.url, "none", timeout=120.0, concurrency=1)
    base = LlmSettings(threshold=options.threshold, template="zh", fusion="replace", time_limit=None)
    cache = AnswerCache(options.cache)

    def verify(records: list[Record], spans: int, settings: LlmSettings) -> tuple[list[Record], list[list[Verified]], dict]:
        records = records[: spans * 4]
        candidates = read_texts(model, [record.text for record in records], batch_size=32)
        count = enough(records, candidates, options.threshold, spans)
        with LlmStage(verifier, labels, settings, cache=cache) as stage:
            rows = stage.run([record.text for record in records[:count]], candidates[:count])
            return records[:count], rows, stage.report().to_dict()

    fit_records, fit_rows, fit_cost = verify(unseen, options.fit, base)
    pairs = answered_pairs(fit_rows, [record.entities for record in fit_records])
    matrix = ConfusionMatrix.fit(pairs, model.config.labels.with_outside)
    print("fitted on", len(pairs), "answers", flush=True)

    records, replaced, cost = verify(measured, options.spans, base)
    _, stated, _ = verify(measured, options.spans, replace(base, fusion="bayes", accuracy=0.6))
    _, fitted, _ = verify(measured, options.spans, replace(base, fusion="bayes", confusion=matrix))
    before = read_texts(model, [record.text for record in records], batch_size=32)
    figures = {
        "evaluation": {"file": Path(options.evaluation).name, "sentences": len(records)},
        "threshold": options.threshold,
        "model": options.model,
        "seed": recipe.training.seed,
        "accuracy_on_routed": accuracy(records, replaced),
        "accuracy_on_fitting_spans": accuracy(fit_records, fit_rows),
        "f1_local": f1(records, before),
        "f1_replace": f1(records, [[item.candidate for item in row] for row in replaced]),
        "f1_bayes_stated_accuracy_0.6": f1(records, [[item.candidate for item in row] for row in stated]),
        "f1_bayes_fitted_matrix": f1(records, [[item.candidate for item in row] for row in fitted]),
        "cost": cost,
        "cost_of_fitting": fit_cost,
    }
    print(json.dumps({key: value for key, value in figures.items() if not key.startswith("cost")}, indent=1))
    report("llm_fusion", figures)


if __name__ == "__main__":
    main()
