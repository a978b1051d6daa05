"""What is chosen for users who say neither how long nor how fast to train."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.trainer_utils import IntervalStrategy

from hybridner.training import HybridNerTrainingArguments
from hybridner.training.composing import compose
from hybridner.training.defaults import MIN_EPOCHS, MIN_STEPS, default_epochs, default_learning_rates
from hybridner.training.trainer import with_defaults
from tests.training.test_trainer import members


@given(st.integers(1, 10**6), st.integers(1, 256))
def test_little_data_is_passed_over_until_the_steps_are_enough(records: int, per_step: int) -> None:
    epochs, steps = default_epochs(records, per_step), -(-records // per_step)
    assert epochs >= MIN_EPOCHS
    assert epochs * steps >= MIN_STEPS
    assert epochs == MIN_EPOCHS or (epochs - 1) * steps < MIN_STEPS


def test_rates_are_those_measured_and_fall_with_the_encoder() -> None:
    assert default_learning_rates(768) == pytest.approx((3e-5, 1e-3))
    assert default_learning_rates(384) == pytest.approx((2e-4, 3e-3))
    sizes = [default_learning_rates(size) for size in (16, 128, 312, 384, 512, 768, 1024)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == (5e-4, 5e-3)


def chosen(folder: Path, records: int, **settings: object) -> HybridNerTrainingArguments:
    arguments = HybridNerTrainingArguments(output_dir=str(folder), use_cpu=True, **settings)  # type: ignore[arg-type]
    return with_defaults(arguments, compose(members("spanner")), records)


def test_few_records_are_measured_by_steps_and_many_by_epochs(tmp_path: Path) -> None:
    few, many = chosen(tmp_path, 100), chosen(tmp_path, 10_000)
    assert (few.num_train_epochs, few.eval_strategy, few.eval_steps, few.save_steps) == (72, IntervalStrategy.STEPS, 25, 25)
    assert few.early_stopping_patience == 6
    assert (many.num_train_epochs, many.eval_strategy, many.early_stopping_patience) == (10, IntervalStrategy.EPOCH, 3)


def test_what_the_user_says_stands(tmp_path: Path) -> None:
    settings = {"num_train_epochs": 2, "encoder_learning_rate": 1e-5, "head_learning_rate": 2e-3, "early_stopping_patience": None}
    told = chosen(tmp_path, 100, **settings)
    assert {name: getattr(told, name) for name in settings} == settings
    assert (told.eval_strategy, told.learning_rate) == (IntervalStrategy.EPOCH, 2e-3)
