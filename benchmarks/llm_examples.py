"""What the examples beside a question know: labels of the nearest ones against the truth, and recorded answers of an LLM.

Spans of CLUENER that were routed to an LLM (test set), examples from the training sentences by characters alone: gold entities,
with and without the doubtful out-of-fold candidates. Recorded answers under the conditions "zero-shot" and "six nearest examples"
stand beside.

    python -m benchmarks.llm_examples labels.jsonl test.parquet fold0.parquet fold1.parquet ...
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.side_by_side import report
from hybridner.ensemble import (
    DecisionSettings,
    FixedThreshold,
    Predictions,
    concat_predictions,
    decide_predictions,
    find_doubtful,
)
from hybridner.llm import Example
from hybridner.llm.example_choice import choose_examples
from hybridner.llm.similarity import CharacterVectors, span_features
from hybridner.spans import NON_ENTITY

THRESHOLD = 0.3
#: Examples that are looked at, the most similar ones.
_NEAREST = 200


def gold_examples(predictions: Predictions) -> list[Example]:
    return [Example(record.text, *span) for record in predictions.records for span in record.entities]


def hard_examples(predictions: Predictions) -> list[Example]:
    """Doubtful candidates that are no entities."""
    found = []
    for record, row in zip(predictions.records, decide_predictions(predictions, DecisionSettings()), strict=True):
        gold = {(span.start, span.end) for span in record.entities}
        for candidate, doubtful in zip(row, find_doubtful(row, FixedThreshold(THRESHOLD)), strict=True):
            if doubtful and candidate.kind and (candidate.start, candidate.end) not in gold:
                found.append(Example(record.text, candidate.start, candidate.end, NON_ENTITY))
    return found


def by_characters(examples: Sequence[Example], spans: Iterable[Example]) -> Iterator[list[int]]:
    """For each span the numbers of the examples, those with the most similar characters first."""
    vectors = CharacterVectors([span_features(e.text, e.start, e.end) for e in examples])
    for span in spans:
        near = vectors.similarities(span_features(span.text, span.start, span.end))
        yield [int(number) for number in np.argsort(-near, kind="stable")]


def shown_labels(
    examples: Sequence[Example], spans: Sequence[Example], orders: Iterable[Sequence[int]], k: int
) -> dict[str, NDArray[np.bool_]]:
    """What k examples in an order of likeness know about each span, which has its true label."""
    found: dict[str, list[bool]] = {
        "vote of the shown is right": [],
        "true label is shown": [],
        "same words under two labels": [],
    }
    for span, order in zip(spans, orders, strict=True):
        shown = choose_examples(examples, order[:_NEAREST], k, span.text)
        labels = Counter(example.label for example in shown)
        known = (
            bool(labels) and labels.most_common(1)[0][0] == span.label,
            span.label in labels,
            len({e.label for e in shown if e.words == span.words}) > 1,
        )
        for values, value in zip(found.values(), known, strict=True):
            values.append(value)
    return {name: np.array(values) for name, values in found.items()}


def percent(known: Mapping[str, NDArray[np.bool_]]) -> dict[str, float]:
    return {name: round(100 * float(values.mean()), 1) for name, values in known.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers", type=Path, help="recorded label answers")
    parser.add_argument("test", help="predictions that hold gold of the routed texts")
    parser.add_argument("folds", nargs="+", help="out-of-fold predictions of the training sentences")
    parser.add_argument("-k", type=int, default=6)
    options = parser.parse_args()
    truth = {
        record.text: {(s.start, s.end): s.label for s in record.entities} for record in Predictions.load(options.test).records
    }
    rows = [json.loads(line) for line in options.answers.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["set"] == "cluener"]
    right: Counter[str] = Counter()
    for row in rows:
        label = truth[row["text"]].get((row["start"], row["end"]), NON_ENTITY)
        right[row["condition"]] += label == (NON_ENTITY if row["answer"] == "Non-Entity" else row["answer"])
    asked = [row for row in rows if row["condition"] == "zero-shot"]
    spans = []
    for row in asked:
        label = truth[row["text"]].get((row["start"], row["end"]), NON_ENTITY)
        spans.append(Example(row["text"], row["start"], row["end"], label))
    local = [row["local"].replace("Non-Entity", NON_ENTITY) for row in asked]
    folds = concat_predictions([Predictions.load(path) for path in options.folds])
    gold, hard = gold_examples(folds), hard_examples(folds)

    def knowledge(examples: Sequence[Example]) -> dict[str, float]:
        return percent(shown_labels(examples, spans, by_characters(examples, spans), options.k))

    report(
        "llm_examples",
        {
            "set": "CLUENER, routed spans of the test set, one seed; examples by characters alone",
            "routed_spans": len(spans),
            "k": options.k,
            "examples": {"gold": len(gold), "doubtful, no entity": len(hard)},
            "gold only": knowledge(gold),
            "gold and doubtful candidates": knowledge([*gold, *hard]),
            "recorded answers right": {name: round(100 * n / len(spans), 1) for name, n in right.items()},
            "composite right": round(
                100 * sum(label == span.label for label, span in zip(local, spans, strict=True)) / len(spans), 1
            ),
        },
    )


if __name__ == "__main__":
    main()
