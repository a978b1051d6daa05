"""Predictions of every member and of every combining strategy, from one reading of the texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from hybridner.ensemble import DecisionSettings, Predictions, available_strategies, decide_predictions, select_entities
from hybridner.ensemble.sequence import vote_sequences
from hybridner.evaluation.metrics import SpanScores, score_spans
from hybridner.hybrid import CompositeModel, predict_records
from hybridner.spans import Record, Span

#: Name of the vote of the taggers on every character's tag, among the systems.
SEQUENCE_VOTE = "taggers:sequence-vote"


def systems_of(predictions: Predictions, settings: DecisionSettings, strategies: Iterable[str]) -> dict[str, list[list[Span]]]:
    """Entities of each record by each member, by the taggers' vote on tags, and by each strategy.

    Members and strategies are judged on the same forward passes, so their differences are not noise of the machine.

    Args:
        predictions: of N records.
        settings: how ballots are decided, but for the strategy.
        strategies: keys of `hybridner.ensemble.COMBINERS`.

    Returns:
        N lists of spans by the name of each system: a member under its name, a strategy under "strategy:NAME".

    Examples:
        >>> from hybridner.ensemble import DecisionSettings
        >>> list(systems_of(predictions, DecisionSettings(), ["score", "majority"]))
        ['a', 'b', 'c', 'spanner', 'taggers:sequence-vote', 'strategy:score', 'strategy:majority']
    """
    ballot, labels = predictions.ballot, predictions.labels
    systems: dict[str, list[list[Span]]] = {}
    for name, votes in zip(predictions.members, ballot.votes, strict=True):
        systems[name] = [[] for _ in predictions.records]
        proposed = votes > 0
        for (row, start, end), vote in zip(ballot.spans[proposed].tolist(), votes[proposed].tolist(), strict=True):
            systems[name][row].append(Span(start, end, labels[vote]))
    if len(ballot.votes) - (ballot.scorer is not None) > 1:
        lengths = np.array([len(record.text) for record in predictions.records])
        systems[SEQUENCE_VOTE] = [
            [Span(start, end, labels[label]) for start, end, label in found] for found in vote_sequences(ballot, lengths)
        ]
    for strategy in strategies:
        decided = decide_predictions(predictions, replace(settings, strategy=strategy))
        systems[f"strategy:{strategy}"] = [[Span(c.start, c.end, c.label) for c in select_entities(row)] for row in decided]
    return systems


def predict_systems(
    model: CompositeModel,
    texts: Sequence[str],
    strategies: Sequence[str] | None = None,
    *,
    batch_size: int = 32,
    decoding: str | None = None,
) -> dict[str, list[list[Span]]]:
    """As `systems_of`, read by a model.

    Args:
        model: the composite.
        texts: N texts.
        strategies: keys of `hybridner.ensemble.COMBINERS`; by default all that the model's calibration allows.
        batch_size: windows per forward pass.
        decoding: "flat" or "nested"; by default the model's own.

    Returns:
        N lists of spans by the name of each system.

    Examples:
        >>> systems = predict_systems(model, [text], ["majority"])
        >>> list(systems)[-1], [text[span.start : span.end] for span in systems["strategy:majority"][0]]
        ('strategy:majority', ['俄罗斯', '干扰机'])
    """
    decoding = decoding or model.config.decoding
    predictions = predict_records(model, [Record(text) for text in texts], batch_size=batch_size, decoding=decoding)
    settings = replace(model.decision_settings, decoding=decoding)
    return systems_of(predictions, settings, available_strategies(settings.weights) if strategies is None else strategies)


def evaluate_systems(
    model: CompositeModel,
    records: Sequence[Record],
    strategies: Sequence[str] | None = None,
    *,
    batch_size: int = 32,
    decoding: str | None = None,
) -> dict[str, SpanScores]:
    """Scores of each system of `predict_systems` on labelled records.

    Args:
        model: the composite.
        records: N labelled records.
        strategies: keys of `hybridner.ensemble.COMBINERS`; by default all that the model's calibration allows.
        batch_size: windows per forward pass.
        decoding: "flat" or "nested"; by default the model's own.

    Returns:
        scores by the name of each system.

    Examples:
        >>> labelled = [Record(text, (Span(0, 3, "Adversary States"), Span(6, 9, "Offensive Systems")))]
        >>> evaluate_systems(model, labelled, ["pool"])["strategy:pool"].micro.f1
        1.0
    """
    systems = predict_systems(model, [record.text for record in records], strategies, batch_size=batch_size, decoding=decoding)
    gold = [record.entities for record in records]
    return {name: score_spans(gold, predicted) for name, predicted in systems.items()}
