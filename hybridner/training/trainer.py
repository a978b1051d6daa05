"""Training one member on `transformers.Trainer`: two learning rates, early stopping on dev entity F1, checkpoints and resume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import EarlyStoppingCallback, EvalPrediction, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from hybridner.evaluation import PrecisionRecallF1
from hybridner.models import MemberModel, SpannerModel
from hybridner.training.features import NO_SPAN, Collator, Feature
from hybridner.training.recipe import MemberSection, TrainingSection

CHECKPOINTS = "checkpoints"


class MemberTrainer(Trainer):
    """Evaluates by decoding: `prediction_step` returns counts of correct, predicted and gold entities per sentence."""

    def prediction_step(
        self, model: Any, inputs: dict[str, Tensor], prediction_loss_only: bool, ignore_keys: Any = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        inputs = self._prepare_inputs(inputs)
        gold = inputs.pop("gold")
        with torch.inference_mode(), self.compute_loss_context_manager():
            outputs = model(**inputs)
        member = self.accelerator.unwrap_model(model)
        mask = inputs["attention_mask"][:, 2:].bool()
        counts = count_entities(member.head.decoder.propose(_character_logits(outputs), mask).entities, gold)
        return outputs.loss.detach(), counts, gold.new_zeros(len(gold))

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        inputs.pop("gold", None)
        return super().compute_loss(model, inputs, *args, **kwargs)


def _character_logits(outputs: Any) -> Tensor:
    if "start_logits" in outputs:
        return torch.cat([outputs.start_logits, outputs.end_logits], dim=-1)[:, 1:-1]
    logits: Tensor = outputs.logits
    return logits[:, 1:-1]


def count_entities(proposed: Tensor, gold: Tensor) -> Tensor:
    """Correct, predicted and gold entities of each row.

    Args:
        proposed: [P, 4] row, start, end, label.
        gold: [B, E, 3] start, end, label; rows of NO_SPAN fill up.

    Returns:
        [B, 3] whole numbers.
    """
    rows = torch.arange(gold.size(0), device=gold.device)[:, None, None].expand(-1, gold.size(1), 1)
    real = gold[..., 0] != NO_SPAN
    truth = torch.cat([rows, gold], dim=2)[real]
    hit = (proposed[:, None, :] == truth[None, :, :]).all(2).any(1)
    count = gold.new_zeros(gold.size(0), 3)
    count[:, 0].index_add_(0, proposed[:, 0], hit.to(count.dtype))
    count[:, 1].index_add_(0, proposed[:, 0], torch.ones_like(hit, dtype=count.dtype))
    count[:, 2] = real.sum(1)
    return count


def micro(counts: Any) -> PrecisionRecallF1:
    """Precision, recall and F1 of [3] correct, predicted and gold entities."""
    return PrecisionRecallF1(*(int(total) for total in counts))


def entity_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """Entity precision, recall and F1 (0..1) from the counts of all sentences."""
    scores = micro(np.asarray(prediction.predictions).sum(axis=0))
    return {"precision": scores.precision, "recall": scores.recall, "f1": scores.f1}


def parameter_groups(model: MemberModel, encoder_lr: float, head_lr: float, weight_decay: float) -> list[dict[str, Any]]:
    """Encoder and head with their own rates; weight decay on matrices only (not on biases, norms and the CRF's scores).

    Self-attention goes with the encoder: like every transformer layer it learns next to nothing at a recurrent layer's rate.
    """
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        decays = parameter.dim() > 1 and ".crf." not in name
        groups.setdefault((name.startswith(("encoder.", "head.attention.")), decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": encoder_lr if slow else head_lr,
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (slow, decays), parameters in groups.items()
    ]


def precision_flags(wanted: str) -> dict[str, Any]:
    """Arguments of `TrainingArguments` for a recipe's mixed_precision."""
    if wanted == "auto":
        wanted = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    return {"bf16": wanted == "bf16", "fp16": wanted == "fp16"}


def train_member(
    model: MemberModel,
    train: Sequence[Feature],
    dev: Sequence[Feature],
    member: MemberSection,
    training: TrainingSection,
    output: Path,
) -> list[dict[str, Any]]:
    """Train `model` in place and leave it with the weights of its best epoch on dev; see `fit`."""
    rates = member.encoder_lr or training.encoder_lr, member.head_lr or training.head_lr
    groups = parameter_groups(model, *rates, training.weight_decay)
    return fit(MemberTrainer, model, groups, Collator(model), train, dev, entity_metrics, training, output)


def fit(
    trainer_class: type[Trainer],
    model: Any,
    groups: Sequence[dict[str, Any]],
    collator: Callable[[Sequence[Feature]], dict[str, Tensor]],
    train: Sequence[Feature],
    dev: Sequence[Feature],
    metrics: Callable[[EvalPrediction], dict[str, float]],
    training: TrainingSection,
    output: Path,
) -> list[dict[str, Any]]:
    """Train in place and leave the weights of the epoch with the best `f1` of `metrics` on dev.

    A run that was killed goes on from its last checkpoint in `output`/checkpoints.

    Args:
        groups: of parameters, each with its own rate and weight decay.

    Returns:
        the log history: one dict per epoch and evaluation.
    """
    arguments = TrainingArguments(
        output_dir=str(output / CHECKPOINTS),
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=training.batch_size * 2,
        gradient_accumulation_steps=training.gradient_accumulation,
        learning_rate=max(group["lr"] for group in groups),
        warmup_steps=training.warmup,
        max_grad_norm=5.0,
        seed=training.seed,
        data_seed=training.seed,
        train_sampling_strategy="group_by_length",
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="f1",
        greater_is_better=True,
        remove_unused_columns=False,
        label_names=["labels"],
        report_to="none",
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        **precision_flags(training.mixed_precision),
    )
    trainer = trainer_class(
        model=model,
        args=arguments,
        data_collator=collator,
        train_dataset=list(train),
        eval_dataset=list(dev),
        compute_metrics=metrics,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=training.patience)],
        optimizer_cls_and_kwargs=(torch.optim.AdamW, {"params": list(groups)}),
    )
    checkpoints = output / CHECKPOINTS
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None)
    return list(trainer.state.log_history)


def inexpressible_share(records_gold: Sequence[Feature], model: MemberModel) -> float:
    """Share of gold entities that the member cannot give back: longer than L for SpanNER, hidden in another for a tagger."""
    total = sum(len(feature["gold"]) for feature in records_gold)
    if not total:
        return 0.0
    if isinstance(model, SpannerModel):
        longest = model.config.max_span_length
        lost = sum(end - start > longest for feature in records_gold for start, end, _ in feature["gold"])
    else:
        lost = total - sum(tag % 2 for feature in records_gold for tag in feature["labels"])
    return lost / total
