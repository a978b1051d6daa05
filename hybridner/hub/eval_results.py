"""Figures for a model card: every system's scores with an interval, and how far scores and uncertainty can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from hybridner.calibration.reliability import reliability
from hybridner.ensemble import Candidate, select_entities
from hybridner.errors import DataError
from hybridner.evaluation import score_spans, text_counts
from hybridner.evaluation.significance import LEVEL, SAMPLES, SEED, interval, resample
from hybridner.hybrid import CompositeModel
from hybridner.spans import NON_ENTITY, Record, Span

_THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def measure_model(
    model: CompositeModel, records: Sequence[Record], *, fingerprint: str, data: str, split: str, batch_size: int = 32
) -> dict[str, Any]:
    """Measure a composite and its members on labelled records, in one reading of the texts.

    Args:
        model: the composite.
        records: the labelled texts.
        fingerprint: of the model's folder, so that figures are never shown for other weights.
        data, split: what the records are called.
        batch_size: windows per forward pass.

    Returns:
        plain data that goes into `evaluation.json` as it is.

    Raises:
        DataError: no record, or labels that the model does not know.

    Examples:
        >>> labelled = [Record(text, (Span(0, 3, "Adversary States"), Span(6, 9, "Offensive Systems")))]
        >>> fingerprint = read_model_folder(hybridner.bundled.BUNDLED_FOLDER).fingerprint
        >>> figures = measure_model(model, labelled, fingerprint=fingerprint, data="my-data", split="test")
        >>> figures["records"], figures["entities"], figures["strategy"]
        (1, 2, 'pool')
    """
    if not records:
        raise DataError("holds no record", data)
    known = set(model.config.labels.names)
    unknown = sorted({span.label for record in records for span in record.entities} - known)
    if unknown:
        raise DataError(f"labels {', '.join(unknown)} occur in the data but the model does not know them", data)
    candidates = [found.candidates for found in model.predict([record.text for record in records], batch_size=batch_size)]
    gold = [set(record.entities) for record in records]
    systems = {name: _votes_of(name, candidates) for name in model.voter_names}
    combined = [[Span(c.start, c.end, c.label) for c in select_entities(row)] for row in candidates]
    systems[f"strategy:{model.config.strategy}"] = combined
    found = [
        (c, Span(c.start, c.end, c.label) in truth)
        for row, truth in zip(candidates, gold, strict=True)
        for c in select_entities(row)
    ]
    correct = np.array([right for _, right in found], dtype=float)
    overall = score_spans(gold, combined)
    return {
        "model": fingerprint,
        "data": data,
        "split": split,
        "records": len(records),
        "entities": sum(map(len, gold)),
        "strategy": model.config.strategy,
        "decoding": model.config.decoding,
        "interval": {"method": "bootstrap over texts", "level": LEVEL, "samples": SAMPLES, "seed": SEED},
        "systems": {name: _scores(gold, predicted) for name, predicted in systems.items()},
        "macro_f1": overall.macro_f1,
        "per_label": {label: prf.to_dict() for label, prf in overall.per_label.items()},
        "reliability": reliability([c.score for c, _ in found], correct),
        "thresholds": threshold_curve([c.uncertainty for c, _ in found], correct),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _votes_of(member: str, candidates: Sequence[Sequence[Candidate]]) -> list[list[Span]]:
    """What one member proposed; every proposal is a candidate."""
    return [
        [Span(c.start, c.end, c.votes[member]) for c in row if c.votes.get(member, NON_ENTITY) != NON_ENTITY]
        for row in candidates
    ]


def _scores(gold: Sequence[set[Span]], predicted: Sequence[Iterable[Span]]) -> dict[str, Any]:
    counts = text_counts(gold, predicted)
    names = ("precision", "recall", "f1")
    values = _ratios(counts.sum(axis=0))
    intervals = bootstrap(counts)
    return {name: float(value) for name, value in zip(names, values, strict=True)} | {
        f"{name}_interval": list(interval) for name, interval in zip(names, intervals, strict=True)
    }


def bootstrap(counts: np.ndarray, samples: int = SAMPLES, level: float = LEVEL, seed: int = SEED) -> list[tuple[float, float]]:
    """Intervals of precision, recall and F1 when texts are drawn again with replacement.

    Args:
        counts: [texts, 3]: correct, predicted and gold spans of each text.

    Returns:
        the lower and upper end for precision, recall and F1. The same seed draws the same texts for every system.
    """
    return [interval(values, level) for values in _ratios(resample(counts, samples, seed).T)]


def _ratios(counts: np.ndarray) -> np.ndarray:
    """Precision, recall and F1 of counts [3, ...]; 0 where nothing was to be counted."""
    correct, predicted, gold = counts.astype(float)
    pairs = ((correct, predicted), (correct, gold), (2 * correct, predicted + gold))
    return np.stack([np.divide(part, whole, out=np.zeros_like(part), where=whole > 0) for part, whole in pairs])


def threshold_curve(uncertainty: Sequence[float], correct: np.ndarray) -> list[dict[str, float]]:
    """For some thresholds: the share of entities above them, and the share of wrong entities among those above."""
    values = np.asarray(uncertainty, dtype=float)
    wrong = 1 - correct
    curve = []
    for threshold in _THRESHOLDS:
        above = values > threshold
        curve.append(
            {
                "threshold": threshold,
                "doubtful": float(above.mean()) if len(values) else 0.0,
                "errors_caught": float(wrong[above].sum() / wrong.sum()) if wrong.any() else 0.0,
                "kept_precision": float(correct[~above].mean()) if (~above).any() else 0.0,
            }
        )
    return curve
