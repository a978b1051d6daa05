"""Arguments of a training run in Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from transformers import TrainingArguments

from hybridner.errors import RecipeError
from hybridner.training.defaults import BASE_HEAD_RATE, MIN_EPOCHS

PRECISIONS = ("auto", "no", "bf16", "fp16")


@dataclass
class HybridNerTrainingArguments(TrainingArguments):
    """`transformers.TrainingArguments` with rates for encoders and heads, and the defaults that suit members of a composite.

    All other arguments of `transformers.TrainingArguments` are taken as well.

    Args:
        num_train_epochs: passes over the records; None chooses by their number, see `hybridner.training.defaults`.
        encoder_learning_rate: of the pretrained encoders, and of self-attention layers in heads; None chooses by their size.
        head_learning_rate: of everything else; it stands in for `learning_rate`. None chooses by the encoders' size.
        member_learning_rates: rates of single members' heads, by the member's name.
        early_stopping_patience: stop after so many evaluations in a row without a better mean entity F1, noise allowed for; None
            never stops early, and "auto" is 3, or 6 of the 20 evaluations where few records are passed over many times.
        mixed_precision: "no", "bf16" or "fp16", in place of `bf16` and `fp16`; "auto" is bf16 on GPUs that have it, else no.
        learning_rate: in place of `head_learning_rate`, where that is None.
        per_device_train_batch_size, per_device_eval_batch_size: records per step on each device.
        weight_decay: of weight matrices.
        warmup_steps: below 1 the share of all steps, else their number.
        max_grad_norm: gradients are clipped to it.
        optim, train_sampling_strategy: as in transformers.
        eval_strategy, save_strategy, logging_strategy: when; by default after each epoch.
        save_total_limit: how many checkpoints are kept.
        load_best_model_at_end, metric_for_best_model, greater_is_better: the model ends with the weights of the best mean F1, by
            the rule in `hybridner.training.stopping`; with another metric, those of its best.
        remove_unused_columns, dataloader_pin_memory, ddp_find_unused_parameters: as in transformers.
        report_to: where figures are sent; by default nowhere.
        use_cpu: by default only where there is no GPU.

    Examples:
        >>> arguments = HybridNerTrainingArguments(output_dir="runs", num_train_epochs=3, head_learning_rate=2e-3)
        >>> arguments.per_device_train_batch_size, arguments.encoder_learning_rate
        (16, None)
    """

    encoder_learning_rate: float | None = None
    head_learning_rate: float | None = None
    member_learning_rates: dict[str, float] | None = None
    early_stopping_patience: int | Literal["auto"] | None = "auto"
    mixed_precision: str = "auto"

    learning_rate: float | None = None  # type: ignore[assignment]
    num_train_epochs: float | None = None  # type: ignore[assignment]
    per_device_train_batch_size: int = 16
    per_device_eval_batch_size: int = 32
    weight_decay: float = 0.01
    warmup_steps: float = 0.1
    max_grad_norm: float = 5.0
    # The fused kernel rounds in another way, and CPU and GPU are to agree.
    optim: str = "adamw_torch"
    train_sampling_strategy: str = "group_by_length"
    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    logging_strategy: str = "epoch"
    # The newest may turn out to be damaged.
    save_total_limit: int | None = 2
    load_best_model_at_end: bool = True
    metric_for_best_model: str | None = "f1"
    greater_is_better: bool | None = True
    remove_unused_columns: bool = False
    report_to: str | list[str] | None = "none"
    use_cpu: bool = field(default_factory=lambda: not torch.cuda.is_available())
    dataloader_pin_memory: bool = field(default_factory=torch.cuda.is_available)
    ddp_find_unused_parameters: bool | None = False

    def __post_init__(self) -> None:
        if self.learning_rate not in (None, self.head_learning_rate):
            raise RecipeError("learning_rate: give encoder_learning_rate and head_learning_rate in its place")
        if self.mixed_precision not in PRECISIONS:
            raise RecipeError(f"mixed_precision must be one of {', '.join(PRECISIONS)}, not {self.mixed_precision!r}")
        # transformers wants numbers for what is only known when the model and the records are: the trainer puts them right.
        self.epochs_by_size = self.num_train_epochs is None
        self.num_train_epochs = MIN_EPOCHS if self.num_train_epochs is None else self.num_train_epochs
        self.learning_rate = self.head_learning_rate or BASE_HEAD_RATE
        if self.save_strategy == "no":
            self.load_best_model_at_end = False
        if self.data_seed is None:
            self.data_seed = self.seed
        if not (self.bf16 or self.fp16):
            precision = self.mixed_precision
            if precision == "auto":
                precision = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
            self.bf16, self.fp16 = precision == "bf16", precision == "fp16"
        parent: Any = super()
        parent.__post_init__()
