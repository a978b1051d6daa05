"""Learning from what people said about the entities: calibration, the LLM's confusion matrix, and on request the members."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hybridner.adaptation.adapt import AdaptationSettings, Report, fine_tune
from hybridner.calibration import CalibrationConfig, Target, calibrate
from hybridner.calibration.evaluated import routable
from hybridner.calibration.threshold import count_doubtful
from hybridner.data.feedback import Review
from hybridner.ensemble import Predictions, concat_predictions, decide_predictions, select_entities
from hybridner.errors import DataError
from hybridner.hybrid import AdaptedHybridNerModel, CompositeModel, HybridNerModel, predict_records, require_torch
from hybridner.spans import Record

#: Members learn from feedback at rates that leave alone what they know.
GENTLE = AdaptationSettings(epochs=4, batch_size=16, encoder_learning_rate=5e-5, head_learning_rate=5e-4)
#: Old records for each reviewed text, as far as there are so many. With a smaller model and 160 texts annotated by other rules
#: two cost the old domain 3.9 points of F1, seven 1.7, for the same gain on the new one.
REPLAY = 8
#: How far the members go from what they knew to what training made of it. Weights between the two know more of the new and forget
#: less of the old than those at the end (Wortsman et al., Robust fine-tuning of zero-shot models, 2022; results/feedback.md).
STEP = 0.75
#: Texts that calibration needs at least.
FEWEST = 5
#: One of so many reviewed texts is kept from the members, so that there is something to calibrate them on.
HOLD_OUT = 5


def learn(
    model: CompositeModel,
    reviews: Sequence[Review],
    *,
    llm: str | None = None,
    calibrated_on: Predictions | None = None,
    replay: Sequence[Record] | None = None,
    share: float | None = None,
) -> tuple[CompositeModel, Report]:
    """Everything that can be learned from reviews.

    Args:
        model: what was reviewed; changed in place unless its members learn.
        reviews: what people said.
        llm: name of the LLM whose answers were reviewed, if any were.
        calibrated_on: what the model was calibrated on, see `learn_calibration`; of no use once members have learned.
        replay: old training data; with it the members learn too, from all but every fifth text.
        share: of doubtful spans, see `learn_calibration`.

    Returns:
        the model that has learned, and a report.

    Raises:
        DataError: there is nothing to learn from; see the functions below.
    """
    report: Report = {"texts": len(reviews), "complete": sum(review.complete for review in reviews)}
    judged = reviews
    if replay is not None:
        taught = [review for number, review in enumerate(reviews) if review.complete and number % HOLD_OUT != HOLD_OUT - 1]
        model, report["members"] = learn_members(model, taught, replay)
        calibrated_on, judged = None, [review for review in reviews if review not in taught]
    report["calibration"] = learn_calibration(model, judged, calibrated_on, share)
    if llm is not None:
        report["llm_answers"] = learn_answers(model, reviews, llm)
    return model, report


def reviewed_predictions(model: CompositeModel, reviews: Sequence[Review]) -> Predictions:
    """What the members say about the reviewed texts; of one not gone through completely, only about the spans that were judged.

    Raises:
        DataError: none of the judged spans is a candidate of the model, so that nothing can be learned from them.
    """
    predictions = predict_records(model, [review.record for review in reviews])
    rows, starts, ends = predictions.ballot.spans.T.tolist()
    known = [None if review.complete else review.judged.keys() for review in reviews]
    judged = [(spans := known[row]) is None or (start, end) in spans for row, start, end in zip(rows, starts, ends, strict=True)]
    if not any(judged):
        raise DataError("the model has no opinion on any of the reviewed spans; was this feedback given to another model?")
    return replace(predictions, ballot=predictions.ballot.select_candidates(np.flatnonzero(judged)))


def learn_calibration(
    model: CompositeModel, reviews: Sequence[Review], old: Predictions | None = None, share: float | None = None
) -> dict[str, Any]:
    """Fit temperature, weights and threshold anew, on the reviews and on the predictions that they were fitted on before.

    Args:
        model: changed in place.
        reviews: what people said.
        old: what `hybridner calibrate` was given; without it only the reviews count, which are few and, where only doubtful
            entities were reviewed, not like the rest.
        share: doubtful spans for each entity found that τ is chosen for; by default as many as before. Labels that had a τ of
            their own keep one.

    Returns:
        the report of `calibrate`.

    Raises:
        DataError: see `reviewed_predictions`; or fewer than five texts.
    """
    predictions = reviewed_predictions(model, reviews)
    if old is None and len(predictions) < FEWEST:
        raise DataError(
            f"{len(predictions)} reviewed texts are too few to calibrate on; give at least {FEWEST}, or the predictions that the "
            "model was calibrated on before"
        )
    whole = predictions if old is None else concat_predictions([replace(old, folds=np.full(len(old), -1)), predictions])
    target = Target(share=_doubtful_share(model, whole) if share is None else share, relative_to=model.config.review_threshold)
    return calibrate(model, whole, CalibrationConfig(target=target, stackers=tuple(model.config.stackers or {})))


def learn_answers(model: CompositeModel, reviews: Iterable[Review], llm: str) -> int:
    """Add the LLM's answers that people judged to those that the model knows; the pipeline then fuses by its own confusions.

    Args:
        model: changed in place.
        reviews: what people said.
        llm: name of the model that gave the answers.

    Returns:
        how many answers of this LLM are known now.
    """
    known = model.config.llm_answers or {}
    counts = Counter({(true, answer): count for true, answer, count in known.get(llm, [])})
    counts.update(pair for review in reviews for pair in review.llm_answers)
    if counts:
        model.config.llm_answers = {**known, llm: [[*pair, count] for pair, count in sorted(counts.items())]}
    return counts.total()


def learn_members(
    model: CompositeModel,
    reviews: Sequence[Review],
    old: Sequence[Record],
    settings: AdaptationSettings = GENTLE,
    step: float = STEP,
) -> tuple[CompositeModel, Report]:
    """Train the members further on the texts that were gone through completely, mixed with old training data so that what they
    know is not forgotten (replay), and take their weights a part of the way to what came out.

    Args:
        model: stays as it is.
        reviews: what people said.
        old: records the members were trained on, of which up to eight times as many as there are reviewed texts are drawn.
        settings: how.
        step: which part of the way, from 0 (nothing is learned) to 1.

    Returns:
        a new composite, calibrated like the old one (calibrate it again), and a report.

    Raises:
        DataError: no text was gone through completely.
    """
    new = [review.record for review in reviews if review.complete]
    if not new:
        raise DataError('members learn only from texts that were gone through completely ("complete": true); there is none')
    # What was said about a text before must not stand beside what people say about it.
    reviewed = {record.text for record in new}
    others = [record for record in old if record.text not in reviewed]
    replayed = random.Random(settings.seed).sample(others, min(len(others), REPLAY * len(new)))
    base = require_torch(model)
    base = base.merged() if isinstance(base, AdaptedHybridNerModel) else base
    learned, report = fine_tune(base, [*new, *replayed], model.config.labels, settings)
    _move(base, learned, step)
    learned.config.review_threshold = model.config.review_threshold
    for field in ("temperature", "combiner_weights", "strategy", "stackers", "gazetteer", "llm_answers", "llm_reliability"):
        setattr(learned.config, field, getattr(model.config, field))
    learned.take_companions(model)
    return learned, {**report, "reviewed": len(new), "replayed": len(replayed)}


def _move(base: HybridNerModel, learned: HybridNerModel, step: float) -> None:
    """Put the learned model's weights on the line from the base's to its own."""
    known = base.state_dict()
    with torch.no_grad():
        for name, weight in learned.state_dict().items():
            if weight.is_floating_point():
                weight.lerp_(known[name].to(weight), 1 - step)


def _doubtful_share(model: CompositeModel, predictions: Predictions) -> float:
    """Spans that are doubtful as the model stands, for each entity found."""
    rows = decide_predictions(predictions, model.decision_settings)
    doubtful = count_doubtful(routable(rows), model.config.review_threshold)
    return doubtful / max(sum(len(select_entities(row)) for row in rows), 1)
