"""What a folder may say: checked before anything is allocated for it."""

from __future__ import annotations

import copy
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import AutoConfig

from hybridner.errors import ModelError
from hybridner.models.encoders import new_encoder
from hybridner.models.safety import (
    build_skeleton,
    check_amount,
    check_encoder_settings,
    check_fits,
    check_numbers,
    read_shapes,
)
from tests.support.forked import run
from tests.support.tiny import ENCODER

SETTINGS = {**ENCODER, "vocab_size": 40}


def encoder(**changes: Any) -> nn.Module:
    settings = {**SETTINGS, **changes}
    return new_encoder(AutoConfig.for_model(settings.pop("model_type"), **settings))


def shapes_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("model_type", ["bert", "roberta", "electra", "distilbert", "albert", "modernbert"])
def test_what_was_stored_for_a_model_fits_it(model_type: str, tmp_path: Path) -> None:
    changes = {"model_type": model_type, "pad_token_id": 0}
    stored = encoder(**changes).state_dict()
    save_file(stored, tmp_path / "a.safetensors")
    check_fits(lambda: encoder(**changes), read_shapes([tmp_path / "a.safetensors"]))


def test_several_files_are_one_model(tmp_path: Path) -> None:
    stored = list(encoder().state_dict().items())
    save_file(dict(stored[::2]), tmp_path / "1.safetensors")
    save_file(dict(stored[1::2]), tmp_path / "2.safetensors")
    check_fits(encoder, read_shapes([tmp_path / "1.safetensors", tmp_path / "2.safetensors"]))
    with pytest.raises(ModelError, match="missing"):
        check_fits(encoder, read_shapes([tmp_path / "1.safetensors"]))


NOT_STORED = [
    {"vocab_size": 4_000_000},
    {"hidden_size": 2_000_000},
    {"intermediate_size": 2_000_000_000},
    {"max_position_embeddings": 10**15},
    {"num_hidden_layers": 2_000_000},
    {"num_hidden_layers": 3},
    {"vocab_size": 39},
]
#: A process of its own, for its memory is all that is measured.
REFUSE = """
import json
import resource
from hybridner.errors import ModelError
from hybridner.models.safety import check_fits
from tests.models.test_safety import NOT_STORED, encoder, shapes_of

stored = shapes_of(encoder())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for change in NOT_STORED:
    try:
        check_fits(lambda: encoder(**change), stored)
        message = "accepted"
    except ModelError as error:
        message = str(error)
    print(json.dumps([message, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""


def test_sizes_that_are_not_stored_are_refused_without_being_allocated() -> None:
    ended = run("-c", REFUSE)
    assert ended.returncode == 0, ended.stderr
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(told) == len(NOT_STORED)
    for change, (message, kilobytes) in zip(NOT_STORED, told, strict=True):
        assert re.search(r"config\.json describes|do not fit config\.json", message), (change, message)
        assert kilobytes < 100_000, change


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 0, "num_attention_heads": 1},
        {"num_attention_heads": 0},
        {"num_attention_heads": 2**20},
        {"hidden_act": "surprise"},
        {"hidden_act": ["gelu"]},
        {"layer_norm_eps": "x"},
        {"vocab_size": -3},
    ],
)
def test_settings_of_no_possible_model_end_in_one_line(change: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"config\.json describes no possible model: |do not fit config\.json") as caught:
        check_fits(lambda: encoder(**change), shapes_of(encoder()))
    assert "\n" not in str(caught.value)


def test_of_a_file_only_the_size_may_be_known() -> None:
    check_amount(encoder, 4 * sum(weight.numel() for weight in encoder().parameters()))
    for change in ({"vocab_size": 4_000_000}, {"num_hidden_layers": 2_000_000}, {"intermediate_size": 10**9}):
        with pytest.raises(ModelError, match=r"config\.json describes"):
            check_amount(partial(encoder, **change), 100_000)


def test_a_skeleton_has_no_memory_and_leaves_nothing_behind() -> None:
    assert all(tensor.is_meta for tensor in build_skeleton(encoder, 100).state_dict().values())
    with pytest.raises(ModelError, match="tensors"):
        build_skeleton(lambda: encoder(num_hidden_layers=100), 100)
    # No limit holds any longer.
    assert len(list(encoder(num_hidden_layers=100).parameters())) > 1000
    assert not next(nn.Linear(2, 2).parameters()).is_meta


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_labels": 2_000_000_000}, "num_labels in config.json is 2000000000"),
        ({"encoders": [{"config": {"num_hidden_layers": 10**18}}]}, "num_hidden_layers"),
        ({"members": [{"config": {"sizes": [1, -(10**9)]}}]}, "sizes"),
        *(({"dtype": value}, "dtype in config.json is") for value in (5, True, "int8", "Tensor", "", [], {"a": 1})),
        ({"encoders": [{"config": {"torch_dtype": "complex64"}}]}, "torch_dtype in config.json is 'complex64'"),
    ],
)
def test_numbers_beyond_all_sense(settings: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        check_numbers(settings)
    check_numbers(
        {
            "num_labels": 28,
            "threshold": 0.5,
            "dtype": "bfloat16",
            "torch_dtype": None,
            "parameters": {"": 102_267_648},
            "members": [{"config": {"rnn_hidden_size": 256, "layers": [1, None, "x"]}}],
        }
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "timm_wrapper"}, "no encoder known to transformers"),
        ({"model_type": ["bert"]}, "no encoder known to transformers"),
        ({"model_type": None}, "no encoder known to transformers"),
        ({"attn_implementation": "somebody/kernels"}, "code from outside"),
        ({"_attn_implementation": {"": "somebody/kernels:f"}}, "code from outside"),
        ({"experts_implementation": "somebody/kernels"}, "code from outside"),
        ({"num_labels": 10**9}, "num_labels"),
    ],
)
def test_encoders_that_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        check_encoder_settings({**SETTINGS, **change})


def test_settings_of_an_encoder_are_only_read() -> None:
    settings = copy.deepcopy({**SETTINGS, "attn_implementation": "sdpa"})
    check_encoder_settings(settings)
    assert settings == {**SETTINGS, "attn_implementation": "sdpa"}
    assert torch.get_default_device() == torch.device("cpu")
