"""Which weights a training keeps: those of the highest F1 on dev, smoothed as far as dev is noisy."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import EvalPrediction, TrainerCallback, TrainerControl, TrainerState

from hybridner import HybridNerTrainer
from hybridner.training.composing import compose
from hybridner.training.metrics import entity_metrics, f1_standard_error
from hybridner.training.stopping import StopWhenWorse, find_kept, kept_evaluation
from tests.support.tiny import small_records
from tests.training.test_trainer import arguments, members

NOISY = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.2)), min_size=1, max_size=20)

#: As it went with 200 sentences of a sparse corpus, 50 entities in dev: F1 high by chance early on, and none higher after it.
EARLY_LUCK = [0.01, 0.35, 0.52, 0.656, 0.61, 0.60, 0.62, 0.61, 0.63, 0.62, 0.625, 0.63, 0.62]


@given(st.lists(st.floats(0, 1), min_size=1))
def test_without_noise_the_first_of_the_highest_is_kept(values: list[float]) -> None:
    assert kept_evaluation(values, [0.0] * len(values)) == int(np.argmax(values))


@given(st.lists(st.integers(0, 100), min_size=1, max_size=20))
def test_with_nothing_but_noise_the_mean_of_five_decides(values: list[int]) -> None:
    """Whole numbers, whose sums are exact."""
    means = [np.mean(values[max(0, now - 4) : now + 1]) for now in range(len(values))]
    assert kept_evaluation(values, [1000.0] * len(values)) == int(np.argmax(means))


@given(NOISY)
def test_what_is_kept_is_less_than_an_error_below_the_highest(figures: list[tuple[float, float]]) -> None:
    values, errors = zip(*figures, strict=True)
    kept, best = kept_evaluation(values, errors), int(np.argmax(values))
    assert kept == best or values[kept] > values[best] - errors[best]


@given(NOISY)
def test_what_was_dropped_is_never_wanted_again(figures: list[tuple[float, float]]) -> None:
    """So that a training needs no more than one checkpoint beside the newest."""
    values, errors = zip(*figures, strict=True)
    kept = [kept_evaluation(values[:length], errors[:length]) for length in range(1, len(values) + 1)]
    assert all(now in (before, place) for place, (before, now) in enumerate(pairwise(kept), 1))


@pytest.mark.parametrize(("error", "kept"), [(0.06, 12), (0.03, 11), (0.01, 3)])
def test_the_more_dev_says_the_nearer_is_what_is_kept_to_the_highest(error: float, kept: int) -> None:
    assert kept_evaluation(EARLY_LUCK, [error] * len(EARLY_LUCK)) == kept


def history(values: list[float], error: float | None) -> list[dict[str, Any]]:
    noise = {} if error is None else {"eval_standard_error": error}
    log: list[dict[str, Any]] = []
    for step, value in enumerate(values):
        log += [
            {"loss": 1.0, "step": step},
            {"eval_f1": value, "eval_loss": 2 - value, "eval_later": step, "step": step, **noise},
        ]
    return log


def test_the_kept_evaluation_is_found_in_a_log() -> None:
    for error, step in ((0.06, 12), (None, 3)):
        kept = find_kept(history(EARLY_LUCK, error))
        assert kept is not None
        assert (kept.entry["step"], kept.since) == (step, 12 - step)
    assert find_kept([{"loss": 1.0}]) is None


@pytest.mark.parametrize(("metric", "greater", "step"), [("loss", False, 3), ("eval_loss", False, 3), ("later", True, 12)])
def test_another_metric_has_no_noise_and_may_be_one_to_be_low(tmp_path: Path, metric: str, greater: bool, step: int) -> None:
    settings = arguments(tmp_path, metric_for_best_model=metric, greater_is_better=greater)
    kept = find_kept(history(EARLY_LUCK, 0.06), settings)
    assert kept is not None
    assert kept.entry["step"] == step


@pytest.mark.parametrize(("error", "stopped"), [(0.06, None), (0.01, 9)])
def test_noise_is_no_reason_to_stop(tmp_path: Path, error: float, stopped: int | None) -> None:
    log = history(EARLY_LUCK, error)
    ends = []
    for length in range(2, len(log) + 1, 2):
        control = TrainerControl()
        # A new one each time, as after a kill.
        StopWhenWorse(6).on_evaluate(arguments(tmp_path), TrainerState(log_history=log[:length]), control)
        ends.append(control.should_training_stop)
    assert ends == [stopped is not None and place >= stopped for place in range(len(EARLY_LUCK))]


def made_counts(sentences: int, seed: int) -> NDArray[np.int64]:
    """Three members that are right in 7 of 10 cases, mostly in the same ones."""
    random = np.random.default_rng(seed)
    gold = random.poisson(1.3, sentences)
    shared = random.random(sentences)[:, None] < 0.7
    correct = random.binomial(gold[:, None], np.where(shared, 0.9, 0.3), (sentences, 3))
    return np.stack([correct, correct + random.binomial(1, 0.3, (sentences, 3)), np.repeat(gold[:, None], 3, 1)], axis=2)


@pytest.mark.parametrize("sentences", [40, 400])
def test_the_standard_error_is_that_of_the_bootstrap(sentences: int) -> None:
    counts = made_counts(sentences, seed=1)
    random = np.random.default_rng(2)
    drawn = [counts[random.integers(0, sentences, sentences)] for _ in range(2000)]
    f1 = [entity_metrics(sample, ("a", "b", "c"))["f1"] for sample in drawn]
    assert f1_standard_error(counts) == pytest.approx(np.std(f1), rel=0.1)


def test_the_standard_error_falls_with_the_root_of_the_sentences() -> None:
    counts = made_counts(50, seed=3)
    once, many = f1_standard_error(counts), f1_standard_error(np.tile(counts, (16, 1, 1)))
    assert 0.02 < once < 0.2
    assert many * 4 == pytest.approx(once, rel=0.02)


@pytest.mark.parametrize("correct", [0, 2])
def test_sentences_that_are_all_alike_have_no_noise(correct: int) -> None:
    for sentences in (1, 7):
        assert f1_standard_error(np.array([[[correct, 2, 2]]] * sentences)) == 0
    assert f1_standard_error(np.zeros((3, 2, 3), np.int64)) == 0, "there is nothing to find, and nothing was"


class Snapshots(TrainerCallback):
    """The weights at each evaluation."""

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def on_evaluate(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.weights.append({name: weight.clone() for name, weight in model.state_dict().items()})


def told(figures: list[float], error: float) -> Any:
    """Measures what it was told to."""
    given = iter(figures)

    def measure(prediction: EvalPrediction) -> dict[str, float]:
        return {"f1": next(given), "standard_error": error}

    return measure


def new_trainer(folder: Path, figures: list[float], error: float, *callbacks: TrainerCallback) -> HybridNerTrainer:
    settings = arguments(folder, num_train_epochs=len(figures), save_total_limit=1, early_stopping_patience=2)
    records = small_records()[:4]
    return HybridNerTrainer(
        compose(members("spanner")), settings, records, records, callbacks=list(callbacks), compute_metrics=told(figures, error)
    )


FIGURES = [0.41, 0.66, 0.62, 0.60, 0.64, 0.57, 0.59, 0.9]


@pytest.mark.parametrize(
    ("figures", "error", "passes", "kept"),
    [(FIGURES, 0.06, 7, 4), (FIGURES, 0.0, 4, 1), ([0.66, 0.58, 0.67, 0.9], 0.1, 3, 0)],
    ids=["with noise", "without noise, as early stopping is known", "a higher one that is not kept"],
)
def test_a_training_ends_with_the_weights_that_are_kept(
    tmp_path: Path, figures: list[float], error: float, passes: int, kept: int
) -> None:
    snapshots = Snapshots()
    trainer = new_trainer(tmp_path, figures, error, snapshots)
    trainer.train()
    assert trainer.state.global_step == len(snapshots.weights) == passes
    assert trainer.state.best_global_step == kept + 1
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(weight, snapshots.weights[kept][name]), name
    assert any(not torch.equal(w, snapshots.weights[-1][name]) for name, w in snapshots.weights[kept].items())


def test_after_a_kill_a_training_keeps_and_stops_as_if_it_had_run_through(tmp_path: Path) -> None:
    class Kill(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 6:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        new_trainer(tmp_path, FIGURES, 0.06, Kill()).train()
    again = new_trainer(tmp_path, FIGURES, 0.06)
    again.compute_metrics = told(FIGURES[6:], 0.06)
    again.train(resume_from_checkpoint=True)
    assert (again.state.global_step, again.state.best_global_step) == (7, 5)
