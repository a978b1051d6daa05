"""The one-pass ensemble: all members of a recipe trained together on one encoder, which then reads each text once for all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import EvalPrediction, Trainer

from hybridner.hybrid import HybridNerModel
from hybridner.models import MemberModel
from hybridner.models.encoders import character_mask
from hybridner.spans import Record
from hybridner.training.joint import JointCollator, joint_features, joint_parameter_groups
from hybridner.training.recipe import TrainingSection
from hybridner.training.trainer import count_entities, fit, micro


def share_encoder(members: dict[str, MemberModel]) -> HybridNerModel:
    """A composite to be trained whose members all read through the first one's encoder."""
    first = next(iter(members.values()))
    for member in members.values():
        member.encoder, member.vocabularies = first.encoder, first.vocabularies
    return HybridNerModel.assemble(members)


class SharedTrainer(Trainer):
    """Evaluates by decoding: `prediction_step` returns counts of correct, predicted and gold entities, [B, members, 3]."""

    def prediction_step(
        self, model: Any, inputs: dict[str, Tensor], prediction_loss_only: bool, ignore_keys: Any = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        inputs = self._prepare_inputs(inputs)
        with torch.inference_mode(), self.compute_loss_context_manager():
            outputs = model(**inputs)
        members = self.accelerator.unwrap_model(model).decoders
        mask, gold = character_mask(inputs["attention_mask"]), inputs["span_labels"]
        counts = [
            count_entities(member.propose(scores, mask).entities, gold)
            for member, scores in zip(members, outputs.logits, strict=True)
        ]
        return outputs.loss.detach(), torch.stack(counts, dim=1), gold.new_zeros(len(gold))


def train_shared(
    model: HybridNerModel, train: Sequence[Record], dev: Sequence[Record], training: TrainingSection, output: Path
) -> list[dict[str, Any]]:
    """Train all members of `model` in place on the sum of their losses; it keeps the weights of the epoch whose mean of the
    members' F1 on dev is best.

    A run that was killed goes on from its last checkpoint in `output`/checkpoints.

    Returns:
        the log history; evaluations hold the mean as `eval_f1` and each member's own as `eval_f1_NAME`.
    """

    def metrics(prediction: EvalPrediction) -> dict[str, float]:
        totals = np.asarray(prediction.predictions).sum(axis=0)
        scores = [micro(counts).f1 for counts in totals]
        return {"f1": float(np.mean(scores))} | {
            f"f1_{name}": score for name, score in zip(model.member_names, scores, strict=True)
        }

    return fit(
        SharedTrainer,
        model,
        joint_parameter_groups(model, training),
        JointCollator(model),
        joint_features(train, model),
        joint_features(dev, model),
        metrics,
        training,
        output,
    )
