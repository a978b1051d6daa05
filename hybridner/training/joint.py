"""Training all heads of a composite together, each encoder read once for all heads that share it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainingArguments

from hybridner.hybrid import HybridNerModel
from hybridner.spans import Record
from hybridner.spans.tags import spans_to_tags
from hybridner.training.features import Feature, fit_record, pad_rows, pad_spans
from hybridner.training.recipe import TrainingSection
from hybridner.training.trainer import precision_flags


def joint_features(records: Sequence[Record], model: HybridNerModel) -> list[Feature]:
    """One feature per piece of a record: `input_ids`, V token ids for each position; `tags` and `spans` for `forward`."""
    names = model.config.labels.names
    number = {name: index + 1 for index, name in enumerate(names)}
    return [
        {
            "input_ids": list(zip(*(vocabulary.encode(piece.text) for vocabulary in model.vocabularies), strict=True)),
            "tags": spans_to_tags(piece.entities, len(piece.text), names),
            "spans": [[span.start, span.end, number[span.label]] for span in piece.entities],
        }
        for record in records
        for piece in fit_record(record, model.max_characters)
        if piece.text
    ]


class JointCollator:
    """Pads features into the tensors of `HybridNerModel.forward`."""

    def __init__(self, model: HybridNerModel) -> None:
        self.pad = [vocabulary.pad for vocabulary in model.vocabularies]

    def __call__(self, features: Sequence[Feature]) -> dict[str, Tensor]:
        layers = [
            pad_rows([[ids[layer] for ids in feature["input_ids"]] for feature in features], pad)
            for layer, pad in enumerate(self.pad)
        ]
        lengths = torch.tensor([len(feature["input_ids"]) for feature in features])
        return {
            "input_ids": torch.stack(layers, dim=1),
            "attention_mask": (torch.arange(layers[0].size(1)) < lengths[:, None]).long(),
            "tag_labels": pad_rows([feature["tags"] for feature in features], 0),
            "span_labels": pad_spans([feature["spans"] for feature in features]),
        }


def joint_parameter_groups(model: HybridNerModel, training: TrainingSection) -> list[dict[str, Any]]:
    """As `parameter_groups`, for a composite; what needs no gradient is left out."""
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            slow = name.startswith("encoders.") or ".attention." in name
            groups.setdefault((slow, parameter.dim() > 1 and ".crf." not in name), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": training.encoder_lr if slow else training.head_lr,
            "weight_decay": training.weight_decay if decays else 0.0,
        }
        for (slow, decays), parameters in groups.items()
    ]


def train_jointly(
    model: HybridNerModel, records: Sequence[Record], training: TrainingSection, output: Path
) -> list[dict[str, Any]]:
    """Train what may be trained of `model`, in place, for all epochs: few sentences leave none to stop early by.

    Returns:
        the log history: one dict per epoch.
    """
    arguments = TrainingArguments(
        output_dir=str(output),
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch_size,
        gradient_accumulation_steps=training.gradient_accumulation,
        learning_rate=training.head_lr,
        warmup_steps=training.warmup,
        max_grad_norm=5.0,
        seed=training.seed,
        data_seed=training.seed,
        train_sampling_strategy="group_by_length",
        save_strategy="no",
        logging_strategy="epoch",
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=False,
        **precision_flags(training.mixed_precision),
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=JointCollator(model),
        train_dataset=joint_features(records, model),
        optimizer_cls_and_kwargs=(torch.optim.AdamW, {"params": joint_parameter_groups(model, training)}),
    )
    trainer.train()
    return list(trainer.state.log_history)
