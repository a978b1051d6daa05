"""Predictions of every member and of every combining strategy, from one reading of the texts."""

from __future__ import annotations

from collections.abc import Sequence

from hybridner.ensemble import decide, entities
from hybridner.evaluation.metrics import SpanScores, score_spans
from hybridner.hybrid import HybridNerModel
from hybridner.hybrid.reading import read_ballots
from hybridner.spans import Record, Span


def predict_systems(
    model: HybridNerModel,
    texts: Sequence[str],
    strategies: Sequence[str],
    *,
    batch_size: int = 32,
    decoding: str | None = None,
) -> dict[str, list[list[Span]]]:
    """Entities of each text by each member (under its name) and by each strategy (under "strategy:NAME").

    Members and strategies are judged on the same forward passes, so their differences are not noise of the machine.
    """
    decoding = decoding or model.config.decoding
    labels = model.config.labels.with_outside
    systems: dict[str, list[list[Span]]] = {
        name: [[] for _ in texts] for name in (*model.member_names, *(f"strategy:{name}" for name in strategies))
    }
    for numbers, ballot in read_ballots(model, texts, batch_size=batch_size, decoding=decoding):
        for name, votes in zip(model.member_names, ballot.votes, strict=True):
            for (row, start, end), vote in zip(ballot.spans.tolist(), votes.tolist(), strict=True):
                if vote > 0:
                    systems[name][numbers[row]].append(Span(start, end, labels[vote]))
        for strategy in strategies:
            decided = decide(ballot, len(numbers), labels, model.member_names, strategy=strategy, decoding=decoding)
            for number, candidates in zip(numbers, decided, strict=True):
                systems[f"strategy:{strategy}"][number] = [Span(c.start, c.end, c.label) for c in entities(candidates)]
    return systems


def evaluate_systems(
    model: HybridNerModel,
    records: Sequence[Record],
    strategies: Sequence[str],
    *,
    batch_size: int = 32,
    decoding: str | None = None,
) -> dict[str, SpanScores]:
    """Scores of each system of `predict_systems` on labelled records."""
    systems = predict_systems(model, [record.text for record in records], strategies, batch_size=batch_size, decoding=decoding)
    gold = [record.entities for record in records]
    return {name: score_spans(gold, predicted) for name, predicted in systems.items()}
