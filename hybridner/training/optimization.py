"""Which weights learn at which rate."""

from __future__ import annotations

from typing import Any

from torch import nn

from hybridner.training.arguments import HybridNerTrainingArguments


def parameter_groups(model: nn.Module, arguments: HybridNerTrainingArguments) -> list[dict[str, Any]]:
    """The trainable weights of a composite, with their learning rates and weight decay.

    Encoders learn at `encoder_learning_rate`, heads at their own rate. Self-attention goes with the encoders: like every
    transformer layer it learns next to nothing at a recurrent layer's rate. Weight decay is for matrices only, not for biases,
    norms and the scores of the CRF, which are log-probabilities of a kind and have no reason to be near 0.
    """
    rates = arguments.member_learning_rates or {}
    encoder_rate, head_rate = arguments.encoder_learning_rate, arguments.head_learning_rate
    assert encoder_rate is not None, "the trainer has put the default rates in"
    assert head_rate is not None, "and here"
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        part, member, *inside = name.split(".")
        rate = encoder_rate if part == "encoders" or "attention" in inside else rates.get(member, head_rate)
        decays = parameter.dim() > 1 and "crf" not in inside
        groups.setdefault((rate, decays), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": arguments.weight_decay if decays else 0.0}
        for (rate, decays), parameters in groups.items()
    ]
