"""Checks of what a model folder says, before anything is allocated or run for it.

A folder may come from anybody. What it says must be names and numbers, no code; and a few kilobytes of it must not cost gigabytes
or hours. So the model that a configuration describes is first built without memory (on PyTorch's meta device, and no further than
the weight files have tensors), and its shapes are compared with those in the files' headers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import Any

import torch
from safetensors import safe_open
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from hybridner.errors import HybridNerError, ModelError

#: Names of tensors and their sizes.
Shapes = Mapping[str, tuple[int, ...]]

#: More than any size, count or token id in the configuration of a real encoder.
_LARGEST_NUMBER = 10_000_000
#: Of the weights in an ONNX graph only their numbers are known; nothing is made of these.
_COUNTS = "parameters"
#: In what precision weights are loaded, by its new and its old name.
_DTYPES = ("dtype", "torch_dtype")
#: More tensors than any encoder has.
_MOST_TENSORS = 10_000
#: transformers writes down a name for each of so many labels.
_MOST_LABELS = 10_000


def check_numbers(settings: Any) -> None:
    """Make sure that no whole number in a stored configuration is beyond all sense, and that weights are to be floating-point
    numbers, before objects are made of it.

    Args:
        settings: JSON data.

    Raises:
        ModelError: a number is, or a `dtype` is none of those.
    """
    waiting: list[tuple[str, Any]] = [("the configuration", settings)]
    while waiting:
        name, value = waiting.pop()
        if name in _DTYPES and value is not None:
            kind = getattr(torch, value, None) if isinstance(value, str) else None
            if value != "auto" and not (isinstance(kind, torch.dtype) and kind.is_floating_point):
                raise ModelError(f"{name} in config.json is {value!r}; write float32, float16 or bfloat16")
        elif isinstance(value, Mapping):
            waiting += [(str(key), item) for key, item in value.items() if key != _COUNTS]
        elif isinstance(value, (list, tuple)):
            waiting += [(name, item) for item in value]
        elif isinstance(value, int):
            largest = _MOST_LABELS if name == "num_labels" else _LARGEST_NUMBER
            if abs(value) > largest:
                raise ModelError(f"{name} in config.json is {value}; no model has more than {largest:,}")


def check_encoder_settings(settings: Mapping[str, Any]) -> None:
    """Make sure that an encoder's configuration describes a text encoder of transformers and brings no code.

    Raises:
        ModelError: it is of another kind, names an implementation outside transformers, or has a number beyond all sense.
    """
    model_type = settings.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        raise ModelError(
            f"encoder_config describes no encoder known to transformers: {model_type!r} is none of its model types for text"
        )
    for name, value in settings.items():
        # Such a name is a repository, whose compiled code transformers would fetch and run.
        if name.endswith("_implementation") and "/" in str(value):
            raise ModelError(f"{name} in encoder_config is {value!r}, code from outside transformers; remove it from config.json")
    check_numbers(settings)


def read_shapes(files: Iterable[str | PathLike[str]]) -> dict[str, tuple[int, ...]]:
    """The shapes in the headers of safetensors files; no weight is read.

    Raises:
        OSError, SafetensorError: a file cannot be read or is damaged.
        ModelError: weights are whole numbers.
    """
    shapes = {}
    for file in files:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a dict)
                part = tensors.get_slice(name)
                # A counter of batches is a single whole number.
                if part.get_shape() and "F" not in part.get_dtype():
                    raise ModelError(f"{name} in {file} is stored as {part.get_dtype()}, and weights are floating-point numbers")
                shapes[name] = tuple(part.get_shape())
    return shapes


def build_skeleton(make: Callable[[], nn.Module], limit: int) -> nn.Module:
    """A module without memory.

    Args:
        make: makes the module.
        limit: the most parameters that may be registered on the way.

    Raises:
        ModelError: there are more, or nothing can be made of the settings.
    """
    thread, made = threading.get_ident(), 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal made
        if threading.get_ident() == thread:
            made += 1
            if made > limit:
                raise ModelError(f"config.json describes a model of more than {limit} tensors, which are not stored")

    handle = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"):
            return make()
    except HybridNerError:
        raise
    # Of settings that no model has, every encoder's own code makes something else.
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise ModelError(f"config.json describes no possible model: {type(error).__name__}: {reason}") from error
    finally:
        handle.remove()


def check_fits(make: Callable[[], nn.Module], stored: Shapes, problem: str = "the weights do not fit config.json") -> None:
    """Make sure that the weights that a model needs are stored, each in its size.

    Args:
        make: makes the model that a configuration describes.
        stored: what the headers of the weight files say.
        problem: how the error's message begins.

    Raises:
        ModelError: weights are missing or of another size.
    """
    # Layers that are made and dropped again, such as an encoder's pooler, count as well.
    skeleton = build_skeleton(make, limit=2 * len(stored) + 64)
    wanted = {name: tuple(tensor.shape) for name, tensor in skeleton.state_dict().items()}
    check_same_shapes(wanted, stored, problem)


def check_amount(make: Callable[[], nn.Module], size: int) -> None:
    """Make sure that a model has no more weights than a file of any kind can hold; where it is not known what is in the file.

    Args:
        make: makes the model that a configuration describes.
        size: of the file in bytes.

    Raises:
        ModelError: it has more.
    """
    weights = sum(weight.numel() for weight in build_skeleton(make, _MOST_TENSORS).parameters())
    if weights > size:
        raise ModelError(f"config.json describes {weights:,} weights, more than a file of {size:,} bytes can hold")


def check_same_shapes(wanted: Shapes, stored: Shapes, problem: str) -> None:
    """Make sure that every tensor that is wanted is stored in its size.

    Raises:
        ModelError: one is not; its message begins with `problem`.
    """
    wrong = sorted(name for name, shape in wanted.items() if stored.get(name) != shape)
    if wrong:
        name = wrong[0]
        raise ModelError(
            f"{problem}: {len(wrong)} are missing or of another size, such as {name} "
            f"({stored.get(name, 'missing')} instead of {wanted[name]})"
        )
