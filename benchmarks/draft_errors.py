"""What a model's wrong entities are in texts that others annotated: `python -m benchmarks.draft_errors MODEL TEXTS`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence

from hybridner import HybridNerModel, Span
from hybridner.data import read_records
from hybridner.evaluation import score_spans
from hybridner.spans import Record


def kind(record: Record, span: Span) -> str:
    """How an entity that the annotation does not confirm stands to those that it has."""
    if not record.entities:
        return "in sentences without any gold"
    if any((e.start, e.end) == (span.start, span.end) for e in record.entities):
        return "same place other type"
    if any(e.start < span.end and span.start < e.end for e in record.entities):
        return "overlaps gold"
    return "beside marked words"


def figures(gold: Sequence[Sequence[Span]], found: Sequence[Sequence[Span]]) -> dict[str, float]:
    score = score_spans(gold, found).micro
    return {name: round(100 * value, 1) for name, value in (("p", score.precision), ("r", score.recall), ("f1", score.f1))}


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: python -m benchmarks.draft_errors MODEL TEXTS")
    records = read_records(sys.argv[2])
    model = HybridNerModel.from_pretrained(sys.argv[1])
    answers = model.predict([record.text for record in records], batch_size=32)
    found = [[Span(e.start, e.end, e.label) for e in answer.entities] for answer in answers]
    gold = [record.entities for record in records]
    marked = [number for number, spans in enumerate(gold) if spans]
    wrong = Counter(kind(r, span) for r, spans in zip(records, found, strict=True) for span in spans if span not in r.entities)
    print(
        json.dumps(
            {
                "all": figures(gold, found),
                "sentences with an entity": {
                    "n": len(marked),
                    **figures([gold[number] for number in marked], [found[number] for number in marked]),
                },
                "wrong": {"all": wrong.total(), **wrong},
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
