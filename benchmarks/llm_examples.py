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
from collections.abc import Sequence
from pathlib import Path

import numpy as np

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


def knowledge(examples: Sequence[Example], questions: Sequence[tuple[Example, str]], k: int) -> dict[str, float]:
    """Shares of the questions (a span with its true label, and the composite's label), in percent."""
    vectors = CharacterVectors([span_features(e.text, e.start, e.end) for e in examples])
    vote = present = contradicted = 0
    for span, _ in questions:
        near = vectors.similarities(span_features(span.text, span.start, span.end))
        shown = choose_examples(examples, np.argsort(-near, kind="stable")[:200].tolist(), k, span.text)
        labels = Counter(example.label for example in shown)
        vote += bool(labels) and labels.most_common(1)[0][0] == span.label
        present += span.label in labels
        contradicted += len({e.label for e in shown if e.words == span.words}) > 1
    total = len(questions) / 100
    return {
        "vote of the shown is right": round(vote / total, 1),
        "true label is shown": round(present / total, 1),
        "same words under two labels": round(contradicted / total, 1),
    }


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
    questions = []
    for row in asked:
        label = truth[row["text"]].get((row["start"], row["end"]), NON_ENTITY)
        questions.append((Example(row["text"], row["start"], row["end"], label), row["local"]))
    folds = concat_predictions([Predictions.load(path) for path in options.folds])
    gold, hard = gold_examples(folds), hard_examples(folds)
    report(
        "llm_examples",
        {
            "set": "CLUENER, routed spans of the test set, one seed; examples by characters alone",
            "routed_spans": len(questions),
            "k": options.k,
            "examples": {"gold": len(gold), "doubtful, no entity": len(hard)},
            "gold only": knowledge(gold, questions, options.k),
            "gold and doubtful candidates": knowledge([*gold, *hard], questions, options.k),
            "recorded answers right": {name: round(100 * n / len(questions), 1) for name, n in right.items()},
            "composite right": round(
                100 * sum(local.replace("Non-Entity", "O") == span.label for span, local in questions) / len(questions), 1
            ),
        },
    )


if __name__ == "__main__":
    main()
