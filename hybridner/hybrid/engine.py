"""From texts to decided candidates, and to everything that members say about labelled ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hybridner.ensemble import Candidate, DecisionSettings, OodDetector, Predictions, SpanFamiliarity, decide, merge_ballots
from hybridner.errors import DataError
from hybridner.hybrid.ballots import predict_ballots
from hybridner.hybrid.passages import PASSAGE
from hybridner.spans import Record

if TYPE_CHECKING:
    from hybridner.hybrid.modeling_composite import CompositeModel


@dataclass(frozen=True)
class DecisionOptions:
    """How a ballot is decided, in place of the model's own settings where not None.

    Attributes:
        strategy: a key of `hybridner.ensemble.COMBINERS`.
        decoding: "flat" (no overlap) or "nested" (no crossing).
        uncertainty: a key of `hybridner.ensemble.UNCERTAINTIES`.

    Examples:
        >>> DecisionOptions(decoding="nested").applied_to(model.decision_settings).decoding
        'nested'
    """

    strategy: str | None = None
    decoding: str | None = None
    uncertainty: str | None = None

    def applied_to(self, settings: DecisionSettings) -> DecisionSettings:
        """The settings with these in their place."""
        return replace(settings, **{name: value for name, value in vars(self).items() if value is not None})


def predict_candidates(
    model: CompositeModel,
    texts: Sequence[str],
    *,
    batch_size: int,
    options: DecisionOptions,
    simplify: bool | None = None,
) -> list[tuple[list[Candidate], float | None]]:
    """The decided candidates of each text, and its `ood_score` where the model knows what it knows; an empty text has neither."""
    settings = options.applied_to(model.decision_settings)
    labels = model.config.labels.with_outside
    detector = None if model.config.ood is None else OodDetector.from_dict(model.config.ood)
    results: list[list[Candidate]] = [[] for _ in texts]
    scores: list[float | None] = [None] * len(texts)
    for group in predict_ballots(model, texts, batch_size=batch_size, decoding=settings.decoding, simplify=simplify):
        familiarity = None
        if detector is not None and group.strangeness is not None:
            for number, values in zip(group.numbers, group.strangeness, strict=True):
                scores[number] = float(detector.score_texts(values.mean()))
            familiarity = SpanFamiliarity.of(detector, group.ballot.spans, group.strangeness, model.config.ood_threshold)
        decided = decide(group.ballot, len(group.numbers), labels, model.voter_names, settings, familiarity)
        for number, candidates in zip(group.numbers, decided, strict=True):
            results[number] += candidates
    for number, text in enumerate(texts):
        if len(text) > PASSAGE:
            results[number].sort(key=lambda candidate: (candidate.start, -candidate.end))
    return list(zip(results, scores, strict=True))


def predict_records(
    model: CompositeModel, records: Sequence[Record], *, batch_size: int = 32, decoding: str | None = None
) -> Predictions:
    """What every member says about labelled records, in one object; see `Predictions`.

    Args:
        model: the composite.
        records: N labelled records.
        batch_size: windows per forward pass.
        decoding: "flat" or "nested", for near misses; by default the model's own.

    Raises:
        DataError: there is no character to read.

    Examples:
        >>> predict_records(model, [Record(text)]).members[-1]
        'spanner'
    """
    texts = [record.text for record in records]
    groups = list(predict_ballots(model, texts, batch_size=batch_size, decoding=decoding or model.config.decoding))
    if not groups:
        raise DataError("there is no text to read")
    return Predictions(
        tuple(records),
        merge_ballots([group.ballot for group in groups], [group.numbers for group in groups]),
        model.config.labels.with_outside,
        model.voter_names,
        np.full(len(records), -1, dtype=np.int64),
    )
