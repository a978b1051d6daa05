"""Which evaluation's weights a training keeps, and when it stops.

F1 on few dev sentences is known roughly: with 50 entities its standard error is about 8 points, and that of the highest F1 was
lucky, often before the training had come far. So all evaluations that are less than one standard error below the highest count as
equal to it, as where Breiman and others prune trees (Classification and Regression Trees, 1984, 3.4.3), and among them the mean
of the last few evaluations decides, which an early one among poor ones does not win. With many dev sentences the error is small,
and the rule that of the highest F1. Measured in benchmarks/results/small_data.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

#: What `entity_metrics` calls the standard error of its mean F1.
STANDARD_ERROR = "standard_error"
#: How many evaluations are averaged: a quarter of those of a training on few records.
WINDOW = 5


def kept_evaluation(values: Sequence[float], errors: Sequence[float]) -> int:
    """Among the evaluations that are less than a standard error below the highest, that of the highest mean with those before it.

    It is found going forward: what was once passed over is not wanted again, so that its weights need not be stored.

    Args:
        values: [evaluations] the figure that is to be high; at least one.
        errors: [evaluations] its standard error at each; 0 where there is no noise.

    Returns:
        its index. Where all errors are 0 it is the first of the highest value.

    Examples:
        >>> kept_evaluation([0.41, 0.66, 0.62, 0.64, 0.57], [0.06] * 5)
        3
        >>> kept_evaluation([0.41, 0.66, 0.62, 0.64, 0.57], [0.01] * 5)
        1
    """
    best = kept = 0

    def is_good(place: int) -> bool:
        return place == best or values[place] > values[best] - errors[best]

    for now, value in enumerate(values):
        if value > values[best]:
            best = now
        if is_good(now) and (not is_good(kept) or _smoothed(values, now) > _smoothed(values, kept)):
            kept = now
    return kept


def _smoothed(values: Sequence[float], place: int) -> float:
    window = values[max(0, place + 1 - WINDOW) : place + 1]
    return sum(window) / len(window)


class Kept(NamedTuple):
    """What a training keeps so far.

    Attributes:
        entry: of the log history, of the evaluation that the weights had.
        since: how many evaluations came after it.
    """

    entry: Mapping[str, Any]
    since: int


def find_kept(history: Sequence[Mapping[str, Any]], arguments: TrainingArguments | None = None) -> Kept | None:
    """Which of the evaluations in a log history has the weights that are kept.

    Args:
        history: entries in their order; those of evaluations have the metric.
        arguments: name the metric and whether it is to be high; by default the mean F1, the only one whose error is known.

    Returns:
        None where no entry has the metric.
    """
    metric = (arguments and arguments.metric_for_best_model) or "f1"
    key = metric if metric.startswith("eval_") else f"eval_{metric}"
    evaluations = [entry for entry in history if key in entry]
    if not evaluations:
        return None
    sign = -1 if arguments and arguments.greater_is_better is False else 1
    errors = [entry.get(f"eval_{STANDARD_ERROR}", 0.0) if key == "eval_f1" else 0.0 for entry in evaluations]
    kept = kept_evaluation([sign * entry[key] for entry in evaluations], errors)
    return Kept(evaluations[kept], len(evaluations) - 1 - kept)


class StopWhenWorse(TrainerCallback):
    """Ends a training when so many evaluations in a row were not kept.

    It counts them in the log history, so that a training that goes on after a kill stops where it would have stopped.

    Args:
        patience: so many.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """As in transformers.

        Args:
            args, state, control: of the training.
            **kwargs: not needed.
        """
        kept = find_kept(state.log_history, args)
        if kept and kept.since >= self.patience:
            control.should_training_stop = True
