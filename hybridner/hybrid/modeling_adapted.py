"""A composite that is another one plus an adapter: low-rank changes to the encoders (LoRA) and heads of its own.

Only the changes and the heads are stored, a few megabytes; encoders and vocabularies are the base's. Several adapters over one
base in memory share its weights: each is a model of its own, and going from one to another is using another object.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModel
from typing_extensions import Self

from hybridner.bundled import BUNDLED, BUNDLED_FOLDER
from hybridner.errors import ModelError
from hybridner.hybrid.configuration_adapted import AdaptedHybridNerConfig
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.hybrid.modeling_composite import load_stackers
from hybridner.hybrid.modeling_hybrid import HybridNerModel
from hybridner.models import MEMBER_CLASSES
from hybridner.models.loading import FETCH_AGAIN, companion_file, readable_errors

_WEIGHTS = "model.safetensors"


class AdaptedHybridNerModel(HybridNerModel):
    """A composite over the frozen encoders of a base, with LoRA matrices in them (Hu et al., 2021)."""

    config_class = AdaptedHybridNerConfig

    @classmethod
    def over(cls, base: HybridNerModel, config: AdaptedHybridNerConfig, *, trainable: bool = False) -> Self:
        """A new adapter that changes nothing yet, with heads of random weights.

        The base itself stays as it is; the encoders' weights lie in memory once.

        Args:
            base: the composite that is adapted.
            config: with the base's encoders.
            trainable: whether the LoRA matrices are to be trained.

        Raises:
            ModelError: the base is an adapter itself, or its encoders have other sizes than the configuration's.
        """
        if isinstance(base, AdaptedHybridNerModel):
            raise ModelError("the base is an adapter itself; merge it first (`hybridner merge`)")
        if config.encoders != base.config.encoders:
            raise ModelError("the base has other encoders than the adapter was made for; give the base it was trained on")
        with torch.device("meta"):
            model = cls(config)
        model.encoders = nn.ModuleList(_with_lora(_twin(encoder), config.lora or {}, trainable) for encoder in base.encoders)
        model.members = nn.ModuleDict(
            {name: MEMBER_CLASSES[member.model_type].head_class(member) for name, member in config.member_configs().items()}
        ).to(base.device, base.dtype)
        model.vocabularies = base.vocabularies
        return model.train(base.training)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: Any, *args: Any, base: HybridNerModel | str | None = None, **kwargs: Any
    ) -> Self:
        """Load an adapter, and the base it names.

        Args:
            pretrained_model_name_or_path: folder or Hub id of the adapter.
            base: the base, already loaded (its weights are then shared) or another place to load it from.
            **kwargs: as for `PreTrainedModel.from_pretrained`.

        Raises:
            ModelError: a file is missing or damaged, or the base cannot be loaded or is not the one the adapter was trained on.
        """
        source = str(pretrained_model_name_or_path)
        with readable_errors(source):
            config = cls.config_class.from_pretrained(
                source, **{key: kwargs[key] for key in _OF_ADAPTER if kwargs.get(key) is not None}
            )
            weights = load_file(companion_file(source, _WEIGHTS, kwargs))
        # Where there is no config.json, transformers gives an empty configuration.
        if not config.members:
            raise ModelError(f"{source} has no config.json of an adapter; {FETCH_AGAIN}")
        if not isinstance(base, HybridNerModel):
            base = _load_base(base or config.base, source, kwargs)
        if kwargs.get("dtype") in (None, "auto") and base_fingerprint(base) != config.base_fingerprint:
            raise ModelError(
                f"the adapter {source} was trained on another base than {config.base} now holds; fetch that version of the base, "
                "or adapt again"
            )
        model = cls.over(base, config)
        model.load_adapter_weights(weights)
        model.stackers = load_stackers(config, source, kwargs)
        return model.eval()

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """Save the adapter alone: its configuration, the LoRA matrices and heads, and the files that every composite has."""
        return super().save_pretrained(save_directory, *args, **{**kwargs, "state_dict": self.adapter_weights()})

    def adapter_weights(self) -> dict[str, Tensor]:
        """The tensors that make the adapter: LoRA matrices under `encoders`, heads under `members`."""
        from peft import get_peft_model_state_dict

        weights = {f"members.{name}": tensor for name, tensor in self.members.state_dict().items()}
        for number, encoder in enumerate(self.encoders):
            weights |= {f"encoders.{number}.{name}": tensor for name, tensor in get_peft_model_state_dict(encoder).items()}
        return weights

    def load_adapter_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Put back what `adapter_weights` gave.

        Raises:
            ModelError: tensors are missing, unknown or of another size.
        """
        from peft import set_peft_model_state_dict

        mine = self.adapter_weights()
        wrong = [name for name in mine.keys() | weights.keys() if name not in mine or name not in weights]
        wrong += [name for name in mine.keys() & weights.keys() if mine[name].shape != weights[name].shape]
        if wrong:
            raise ModelError(f"the adapter's weights do not fit its configuration ({min(wrong)}); it is damaged, fetch it again")
        self.members.load_state_dict(_below("members.", weights))
        for number, encoder in enumerate(self.encoders):
            set_peft_model_state_dict(encoder, _below(f"encoders.{number}.", weights))

    def merged(self) -> HybridNerModel:
        """An ordinary composite that gives the same, with the changes added to the encoders' weights."""
        kept = {name: value for name, value in self.config.to_dict().items() if name not in _ADAPTER_FIELDS}
        model = HybridNerModel(HybridNerConfig(**kept))
        model.vocabularies, model.stackers = self.vocabularies, self.stackers
        model.members.load_state_dict(self.members.state_dict())
        for mine, adapted in zip(model.encoders, self.encoders, strict=True):
            mine.load_state_dict(_merged_weights(adapted))
        nn.Module.to(model, self.device, self.dtype)
        return model.train(self.training)


def base_fingerprint(base: HybridNerModel) -> str:
    """A hash of all that an adapter takes from its base: the encoders' weights and the vocabularies."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in base.encoders.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().data)
    for vocabulary in base.vocabularies:
        digest.update(repr(sorted(vocabulary.ids.items())).encode())
    return digest.hexdigest()


def _load_base(name: str | None, adapter: str, kwargs: Mapping[str, Any]) -> HybridNerModel:
    options = {key: kwargs[key] for key in _OF_BASE if kwargs.get(key) is not None}
    if name is None:
        raise ModelError(f"the adapter {adapter} does not say what its base is; give it as `base`")
    try:
        base = AutoModel.from_pretrained(BUNDLED_FOLDER if name == BUNDLED else name, **options)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot load {name}, the base of the adapter {adapter}: {error}; when it lies elsewhere, give it as `base`"
        ) from error
    return base if isinstance(base, HybridNerModel) else HybridNerModel.assemble({base.config.model_type: base})


def _twin(encoder: nn.Module) -> Any:
    """A copy whose weights lie in the same memory."""
    shared = {id(weight): nn.Parameter(weight.detach(), requires_grad=False) for weight in encoder.parameters()}
    return copy.deepcopy(encoder, shared)


def _with_lora(encoder: Any, settings: Mapping[str, Any], trainable: bool) -> Any:
    from peft import LoraConfig, inject_adapter_in_model

    return inject_adapter_in_model(LoraConfig(**settings, inference_mode=not trainable), encoder)


def _merged_weights(encoder: nn.Module) -> dict[str, Tensor]:
    """The weights of an encoder without LoRA that gives the same as this one with it."""
    from peft.tuners.lora import Linear

    weights = {
        name.replace(".base_layer.", "."): tensor.clone() for name, tensor in encoder.state_dict().items() if ".lora_" not in name
    }
    for name, layer in encoder.named_modules():
        if isinstance(layer, Linear):
            weights[f"{name}.weight"] += layer.get_delta_weight("default")
    return weights


def _below(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}


#: Loading options that are about the adapter's own repository, and those that hold for its base as well.
_OF_BASE = ("token", "cache_dir", "local_files_only", "dtype")
_OF_ADAPTER = ("token", "cache_dir", "local_files_only", "revision", "subfolder", "force_download")
#: What an adapter's configuration has beyond or unlike an ordinary composite's.
_ADAPTER_FIELDS = {
    "base",
    "base_fingerprint",
    "lora",
    "model_type",
    "architectures",
    "dtype",
    "transformers_version",
    "_name_or_path",
}
