"""Low-rank changes to an encoder (LoRA, Hu et al., 2021), stored as PEFT stores them."""

from __future__ import annotations

import copy
import warnings
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from hybridner.errors import ModelError
from hybridner.files import read_json
from hybridner.models.safety import check_numbers, check_same_shapes, read_shapes

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"
FILES = (CONFIG_FILE, WEIGHTS_FILE)

#: Settings that a stored adapter may choose; all others must be as PEFT has them by default. Among those are patterns, which can
#: take for ever to match, names of modules to import, and decompositions of the base's weights.
_FREE = {"r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora", "inference_mode"}
#: What a stored adapter says about itself.
_NOTES = {"base_model_name_or_path", "revision", "auto_mapping", "peft_version", "peft_type", "task_type"}


def add_lora(encoder: nn.Module, rank: int, *, base_model: str | None = None, trainable: bool = False) -> PeftModel:
    """An encoder with the same weights in the same memory, and LoRA matrices in every linear layer that change nothing yet.

    Args:
        encoder: stays as it is.
        rank: r of the matrices; they are scaled by 2.
        base_model: Hub id of the model that the encoder belongs to, for the adapter's metadata.
        trainable: whether the matrices are to be trained.
    """
    from peft import LoraConfig

    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        task_type="FEATURE_EXTRACTION",
        base_model_name_or_path=base_model,
        inference_mode=not trainable,
    )
    return _wrap(share_weights(encoder), config)


def save_lora(encoder: PeftModel, folder: str | PathLike[str]) -> None:
    """Write the two files of PEFT; the folder is made when it is not there."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config: Any = copy.copy(encoder.peft_config["default"])
    # A set has another order in every process.
    config.target_modules, config.inference_mode = sorted(config.target_modules), True
    config.save_pretrained(str(folder))
    weights = {name: tensor.contiguous() for name, tensor in _lora_weights(encoder).items()}
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})


def load_lora(encoder: nn.Module, config_file: str | PathLike[str], weights_file: str | PathLike[str]) -> PeftModel:
    """An encoder with the same weights in the same memory, and stored LoRA matrices.

    Args:
        encoder: stays as it is.
        config_file, weights_file: as PEFT or `save_lora` wrote them.

    Raises:
        ModelError: the settings are not those of plain LoRA, or not those of these weights or this encoder.
        OSError, SafetensorError: a file cannot be read or is damaged.
    """
    from peft import set_peft_model_state_dict

    config = read_lora_config(config_file)
    try:
        # The matrices have no memory before they are known to be those of the file.
        adapted = _wrap(share_weights(encoder), config, low_cpu_mem_usage=True)
    except (ValueError, TypeError) as error:
        raise ModelError(f"{config_file} does not fit the encoder of the base: {str(error).splitlines()[0]}") from error
    wanted = {name: tuple(tensor.shape) for name, tensor in _lora_weights(adapted).items()}
    check_same_shapes(wanted, read_shapes([weights_file]), f"the weights in {weights_file} do not fit {CONFIG_FILE}")
    set_peft_model_state_dict(adapted, load_file(weights_file), low_cpu_mem_usage=True)
    first = next(encoder.parameters())
    return adapted.to(first.device, first.dtype)


def read_lora_config(path: str | PathLike[str]) -> LoraConfig:
    """The settings of a stored adapter, as far as they are those of plain LoRA.

    Raises:
        ModelError: they are not.
        OSError: the file cannot be read.
    """
    from peft import LoraConfig

    try:
        stored = read_json(path)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no JSON: {error}; fetch the whole folder again") from error
    if not isinstance(stored, dict) or stored.get("peft_type") != "LORA":
        raise ModelError(f"{path} does not describe a LoRA adapter of PEFT; fetch the whole folder again")
    check_numbers(stored)
    usual = LoraConfig().to_dict()
    strange = [name for name, value in stored.items() if name not in _FREE | _NOTES and value and value != usual.get(name)]
    if strange:
        raise ModelError(f"{path} sets {min(strange)}, which hybridner does not read: only plain LoRA on named layers")
    names, rank, alpha = stored.get("target_modules"), stored.get("r"), stored.get("lora_alpha")
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise ModelError(f"target_modules in {path} must be a list of names, not {str(names)[:80]!r}")
    if not (isinstance(rank, int) and rank > 0 and isinstance(alpha, int)):
        raise ModelError(f"r and lora_alpha in {path} must be positive whole numbers, not {rank!r} and {alpha!r}")
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        target_modules=names,
        use_rslora=stored.get("use_rslora") is True,
        task_type="FEATURE_EXTRACTION",
        base_model_name_or_path=stored.get("base_model_name_or_path"),
        inference_mode=True,
    )


def merge_lora(encoder: PeftModel) -> nn.Module:
    """A plain encoder that gives the same, with memory of its own."""
    merged: nn.Module = copy.deepcopy(encoder).merge_and_unload()
    return merged.requires_grad_(True)


def share_weights(module: nn.Module) -> Any:
    """A copy of a module whose weights lie in the same memory and need no gradient."""
    shared = {id(weight): nn.Parameter(weight.detach(), requires_grad=False) for weight in module.parameters()}
    return copy.deepcopy(module, shared)


def _wrap(encoder: nn.Module, config: LoraConfig, **options: Any) -> PeftModel:
    from peft import PeftModel

    with warnings.catch_warnings():
        # PEFT reads a property of transformers by its old name.
        warnings.simplefilter("ignore", FutureWarning)
        return PeftModel(encoder, config, autocast_adapter_dtype=False, **options)


def _lora_weights(encoder: PeftModel) -> dict[str, Tensor]:
    """The matrices under the names by which PEFT stores them."""
    from peft import get_peft_model_state_dict

    # Without this option PEFT would look for the base on the Hub.
    weights: dict[str, Tensor] = get_peft_model_state_dict(encoder, save_embedding_layers=False)
    return weights
