"""Which labelled spans are nearest to one in doubt: by SpanNER's vectors, by characters, or by both in turn. Nobody is asked.

The bundled model reads the sentences of SNCM-open that it was not trained on; its doubtful candidates there, with their true
labels, are questions and examples at once (a question's own sentence is left out), or the examples come from the training
sentences, as `hybridner examples` indexes them. Of each way it is told how often what is shown has the question's true label.

    python -m benchmarks.example_orders
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.llm_examples import by_characters, percent, shown_labels
from benchmarks.side_by_side import report
from hybridner.bundled import BUNDLED
from hybridner.data.sncm.corpus import read_corpus_splits
from hybridner.ensemble import Candidate, find_doubtful
from hybridner.hybrid import ExampleIndex, HybridNerModel
from hybridner.hybrid.examples import _vectors, span_states
from hybridner.hybrid.loading import load_composite
from hybridner.llm import Example
from hybridner.llm.example_choice import mix
from hybridner.spans import NON_ENTITY, Record

KS = (1, 4, 6)
#: Resamples of the sentences, for intervals.
_RESAMPLES = 2_000
_WAYS = ("vectors", "characters", "both in turn")


@dataclass(frozen=True, eq=False)
class Question:
    """A doubtful candidate with its true label, and its span vector."""

    span: Example
    local: str
    vector: NDArray[np.float32]


def doubtful(model: HybridNerModel, records: Sequence[Record]) -> list[Question]:
    """The candidates of these records that would be routed, by the model's own threshold."""
    found: list[Question] = []
    assert model.spanner is not None
    states = span_states(model, [record.text for record in records], 32)
    for record, prediction, known in zip(records, model.predict([record.text for record in records]), states, strict=True):
        gold = {(span.start, span.end): span.label for span in record.entities}
        row: Sequence[Candidate] = prediction.candidates
        for candidate, is_doubtful in zip(row, find_doubtful(row, model.config.review_threshold), strict=True):
            if is_doubtful and candidate.kind:
                place = (candidate.start, candidate.end)
                vector = _vectors(model.spanner, known, [place])[0]
                span = Example(record.text, *place, gold.get(place, NON_ENTITY))
                found.append(Question(span, candidate.label, vector))
    return found


def orders(
    examples: Sequence[Example], vectors: NDArray[np.float32], questions: Sequence[Question]
) -> dict[str, list[list[int]]]:
    """For each question the numbers of the examples from other sentences, the nearest first, in every way."""
    texts = np.array([example.text for example in examples])
    found: dict[str, list[list[int]]] = {way: [] for way in _WAYS}
    for question, characters in zip(questions, by_characters(examples, [one.span for one in questions]), strict=True):
        nearest = np.argsort(-(vectors @ question.vector), kind="stable")
        rows = [nearest.tolist(), characters, mix(nearest.tolist(), characters)]
        for way, row in zip(_WAYS, rows, strict=True):
            found[way].append([number for number in row if texts[number] != question.span.text])
    return found


def differences(known: dict[str, NDArray[np.bool_]], texts: Sequence[str]) -> dict[str, list[float]]:
    """Of each pair of ways the difference in percent points, and 95 % of the differences over resampled sentences."""
    sentences = [[number for number, text in enumerate(texts) if text == one] for one in dict.fromkeys(texts)]
    draws = np.random.default_rng(42).integers(len(sentences), size=(_RESAMPLES, len(sentences)))
    samples = [np.concatenate([sentences[number] for number in draw]) for draw in draws]
    result = {}
    for one, other in ((0, 1), (2, 0), (2, 1)):
        gap = 100.0 * (known[_WAYS[one]].astype(float) - known[_WAYS[other]].astype(float))
        low, high = np.percentile([gap[sample].mean() for sample in samples], (2.5, 97.5))
        result[f"{_WAYS[one]} - {_WAYS[other]}"] = [round(float(value), 1) for value in (gap.mean(), low, high)]
    return result


def measure(examples: Sequence[Example], vectors: NDArray[np.float32], questions: Sequence[Question]) -> dict[str, Any]:
    spans = [question.span for question in questions]
    by_way = orders(examples, vectors, questions)
    figures: dict[str, Any] = {"examples": len(examples)}
    for k in KS:
        known = {way: shown_labels(examples, spans, by_way[way], k) for way in _WAYS}
        figures[f"k = {k}"] = {
            **{way: percent(known[way]) for way in _WAYS},
            "differences": {
                name: differences({way: known[way][name] for way in _WAYS}, [span.text for span in spans])
                for name in ("vote of the shown is right", "true label is shown")
            },
        }
    return figures


def main() -> None:
    model = load_composite(BUNDLED).eval()
    splits = {split: [sentence.record for sentence in sentences] for split, sentences in read_corpus_splits().items()}
    unread = [record for split, records in splits.items() if split != "train" for record in records]
    questions = doubtful(model, unread)
    spans = [question.span for question in questions]
    index = ExampleIndex.build(model, splits["train"])
    report(
        "example_orders",
        {
            "set": "SNCM-open, validation and test sentences together; bundled model; its own threshold",
            "sentences": len(unread),
            "questions": len(questions),
            "of them no entity": sum(span.label == NON_ENTITY for span in spans),
            "label of the composite right": round(100 * np.mean([q.local == q.span.label for q in questions]), 1),
            "doubtful candidates of the other unread sentences": measure(
                spans, np.stack([question.vector for question in questions]), questions
            ),
            "training sentences, entities and near misses": measure(index.examples, index.vectors, questions),
        },
    )


if __name__ == "__main__":
    main()
