"""Training the members of a composite with `transformers.Trainer`."""

from __future__ import annotations

import copy
import math
import os
import shutil
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import EvalPrediction, Trainer
from transformers.trainer_utils import IntervalStrategy, SaveStrategy, TrainOutput, rotate_checkpoints

from hybridner.errors import ModelError
from hybridner.hybrid import HybridNerModel
from hybridner.models import HybridNerOutput, MemberModel
from hybridner.models.encoders import character_mask
from hybridner.training.arguments import HybridNerTrainingArguments
from hybridner.training.checkpoints import UNFINISHED, find_problem, find_resumption, seal
from hybridner.training.composing import compose
from hybridner.training.defaults import (
    EVALUATIONS,
    MIN_EPOCHS,
    MIN_STEPS,
    default_epochs,
    default_learning_rates,
    default_patience,
)
from hybridner.training.features import Collator, Feature, make_features
from hybridner.training.folders import output_errors
from hybridner.training.metrics import count_entities, entity_metrics
from hybridner.training.optimization import parameter_groups
from hybridner.training.records import to_records
from hybridner.training.stopping import StopWhenWorse, find_kept


class HybridNerTrainer(Trainer):
    """Trains all members of a composite together, in place, on the sum of their losses; a member alone is a composite of one.

    Evaluation decodes: it gives entity precision, recall and F1 of each member (`eval_f1_NAME`) and the means over the members
    (`eval_f1`), with its standard error (`eval_standard_error`). With `eval_dataset` the model ends with the weights of the best
    mean F1, which is smoothed where few dev sentences make it a matter of chance; see `hybridner.training.stopping`.

    Args:
        model: a composite, or one member; changed in place.
        args: how to train; see `HybridNerTrainingArguments`.
        train_dataset: records, or a `datasets.Dataset` with the columns `text` and `entities` (start, end, label).
        eval_dataset: the same; without it there is no evaluation and no early stopping.
        **kwargs: of `transformers.Trainer`, such as `callbacks`.

    Examples:
        >>> tagger = BertBiLstmCrfModel.from_encoder("bert-base-chinese", ["Place", "State"])
        >>> arguments = HybridNerTrainingArguments(output_dir="runs/tagger", num_train_epochs=1, disable_tqdm=True)
        >>> trainer = HybridNerTrainer(tagger, arguments, read_records("train.jsonl"), read_records("dev.jsonl"))
        >>> trainer.train().metrics["epoch"]
        {'loss': ...}
        1.0
        >>> "eval_f1" in trainer.evaluate()
        {'eval_loss': ...}
        True
        >>> trainer.save_model("tagger")
    """

    args: HybridNerTrainingArguments

    def __init__(
        self,
        model: HybridNerModel | MemberModel,
        args: HybridNerTrainingArguments | None = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        **kwargs: Any,
    ) -> None:
        self._given = model
        composite = compose({model.config.model_type: model}) if isinstance(model, MemberModel) else model
        self._to_features = partial(_features_of, composite)
        features = None if train_dataset is None else self._to_features(train_dataset)
        arguments = with_defaults(args or HybridNerTrainingArguments(), composite, len(features or ()))
        callbacks = list(kwargs.pop("callbacks", None) or [])
        if eval_dataset is None:
            arguments.eval_strategy, arguments.load_best_model_at_end = IntervalStrategy.NO, False
        elif arguments.early_stopping_patience is not None:
            callbacks.append(StopWhenWorse(int(arguments.early_stopping_patience)))
        self._is_saving = False
        super().__init__(
            model=composite,
            args=arguments,
            data_collator=kwargs.pop("data_collator", None) or Collator(composite),
            train_dataset=features,
            eval_dataset=None if eval_dataset is None else _all_sure(self._to_features(eval_dataset)),
            compute_metrics=kwargs.pop("compute_metrics", None) or partial(_entity_metrics, members=composite.member_names),
            callbacks=callbacks,
            **kwargs,
        )

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """The optimizer that the arguments name, with a rate and weight decay for each group of weights.

        Args:
            model: by default the trainer's own.
        """
        if self.optimizer is None:
            model = self.model if model is None else model
            optimizer_class, settings = self.get_optimizer_cls_and_kwargs(self.args, model)
            self.optimizer = optimizer_class(parameter_groups(model, self.args), **settings)
        return self.optimizer

    def prediction_step(
        self, model: Any, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read one batch and count its entities.

        Args:
            model: the model.
            inputs: a batch.
            prediction_loss_only, ignore_keys: as in transformers; they have no meaning here.

        Returns:
            the loss, [B, members, 3] correct, predicted and gold entities, and a placeholder for labels.
        """
        inputs = self._prepare_inputs(inputs)
        with torch.inference_mode(), self.compute_loss_context_manager():
            outputs: HybridNerOutput = model(**inputs)
        decoders = self.accelerator.unwrap_model(model).decoders
        mask, gold = character_mask(inputs["attention_mask"]), inputs["span_labels"]
        counts = [
            count_entities(decoder.propose(logits, mask).entities, gold)
            for decoder, logits in zip(decoders, outputs.logits or (), strict=True)
        ]
        assert outputs.loss is not None
        return outputs.loss.detach(), torch.stack(counts, dim=1), gold.new_zeros(len(gold))

    def evaluate(self, eval_dataset: Any = None, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Entity precision, recall and F1 of each member and the means.

        Args:
            eval_dataset: other records than those of the trainer.
            *args, **kwargs: as for `transformers.Trainer.evaluate`.

        Returns:
            each figure by its name, such as `eval_f1`.
        """
        features: Any = None if eval_dataset is None else _all_sure(self._to_features(eval_dataset))
        return dict(super().evaluate(features, *args, **kwargs))

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> TrainOutput:
        """Train; see `transformers.Trainer.train`.

        Args:
            resume_from_checkpoint: a checkpoint's folder; or True for the newest complete one in `output_dir`, or none if there
                is none. Those that cannot be used are named in a warning and deleted.
            *args, **kwargs: as for `transformers.Trainer.train`.

        Raises:
            ModelError: the checkpoint is unfinished or damaged.
            OutputError: a checkpoint cannot be written.
        """
        checkpoint: str | None = None
        if resume_from_checkpoint is True:
            checkpoint = self._newest_checkpoint()
        elif resume_from_checkpoint:
            checkpoint = str(resume_from_checkpoint)
            if problem := find_problem(Path(checkpoint), self.args.world_size):
                raise ModelError(f"training cannot go on from {checkpoint}: {problem}; give another checkpoint, or none")
        return super().train(checkpoint, *args, **kwargs)

    def _newest_checkpoint(self) -> str | None:
        found = find_resumption(Path(str(self.args.output_dir)), self.args.world_size)
        # Nothing may be deleted while others still look at it.
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero() and found.unusable:
            reasons = "; ".join(f"{path.name}: {reason}" for path, reason in found.unusable.items())
            onward = f"from {found.checkpoint.name}" if found.checkpoint else "from the beginning"
            warnings.warn(f"{self.args.output_dir}: dropped {reasons}. Training goes on {onward}", stacklevel=3)
            found.drop_unusable()
        self.accelerator.wait_for_everyone()
        return str(found.checkpoint) if found.checkpoint else None

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As in Trainer: the folder is that of what was given, so that of a member holds a member.

        Args:
            output_dir: by default the arguments' own.
            _internal_call: as in transformers.
        """
        if self._is_saving or not isinstance(self._given, MemberModel):
            super().save_model(output_dir, _internal_call)
        elif self.args.should_save:
            self._given.save_pretrained(output_dir or str(self.args.output_dir))

    def _get_output_dir(self, trial: Any) -> str:
        folder: str = super()._get_output_dir(trial)
        return os.path.join(folder, UNFINISHED) if self._is_saving else folder

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """As in Trainer, but the checkpoint gets its name when it is complete, and older ones are deleted after that."""
        folder = Path(self._get_output_dir(trial))
        name = f"checkpoint-{self.state.global_step}"
        if self.args.should_save:
            shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self._is_saving = True
        try:
            with output_errors(folder / name, "start again to go on from the last complete checkpoint"):
                super()._save_checkpoint(model, trial)
                self.accelerator.wait_for_everyone()
                if self.state.best_global_step == self.state.global_step:
                    self.state.best_model_checkpoint = str(folder / name)
                if self.args.should_save:
                    self.state.save_to_json(str(folder / UNFINISHED / name / "trainer_state.json"))
                    seal(folder / UNFINISHED / name)
                    shutil.rmtree(folder / name, ignore_errors=True)
                    (folder / UNFINISHED / name).rename(folder / name)
                    (folder / UNFINISHED).rmdir()
        finally:
            self._is_saving = False
        if self.args.should_save:
            rotate_checkpoints(str(folder), self.args.save_total_limit, self.state.best_model_checkpoint)
        self.accelerator.wait_for_everyone()

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """As in Trainer, but by more than the highest figure, which may be luck."""
        kept = find_kept(self.state.log_history, self.args)
        if kept and kept.since:
            return False
        self.state.best_metric = None
        return bool(super()._determine_best_metric(metrics, trial))

    def _load_best_model(self) -> None:
        # The run's folder may have been moved since the checkpoint was written.
        best = Path(str(self.args.output_dir), Path(self.state.best_model_checkpoint or "").name)
        self.state.best_model_checkpoint = str(best)
        super()._load_best_model()


def with_defaults(arguments: HybridNerTrainingArguments, model: HybridNerModel, records: int) -> HybridNerTrainingArguments:
    """A copy of the arguments with epochs, rates and patience in place of those that were left to us."""
    chosen = copy.copy(arguments)
    if chosen.epochs_by_size and records:
        per_step = chosen.train_batch_size * chosen.gradient_accumulation_steps * chosen.world_size
        chosen.num_train_epochs = default_epochs(records, per_step)
        if chosen.num_train_epochs > MIN_EPOCHS and chosen.eval_strategy == IntervalStrategy.EPOCH:
            # Passes over little are short, and a checkpoint after each would cost more than the training.
            chosen.eval_strategy = chosen.logging_strategy = IntervalStrategy.STEPS
            chosen.save_strategy = SaveStrategy.STEPS
            chosen.eval_steps = chosen.save_steps = chosen.logging_steps = math.ceil(MIN_STEPS / EVALUATIONS)
    if chosen.early_stopping_patience == "auto":
        chosen.early_stopping_patience = default_patience(chosen.eval_strategy == IntervalStrategy.STEPS)
    # The largest encoder is the one that high rates would harm.
    rates = default_learning_rates(max(int(entry["config"]["hidden_size"]) for entry in model.config.encoders))
    chosen.encoder_learning_rate = rates.encoder if chosen.encoder_learning_rate is None else chosen.encoder_learning_rate
    chosen.head_learning_rate = rates.head if chosen.head_learning_rate is None else chosen.head_learning_rate
    chosen.learning_rate = chosen.head_learning_rate
    return chosen


def _features_of(composite: HybridNerModel, dataset: Any) -> list[Feature]:
    return make_features(to_records(dataset), composite)


def _all_sure(features: list[Feature]) -> list[Feature]:
    """What is measured against is shown whole."""
    return [{**feature, "unsure": []} for feature in features]


def _entity_metrics(prediction: EvalPrediction, members: Sequence[str]) -> dict[str, float]:
    return entity_metrics(np.asarray(prediction.predictions), members)
