"""A composite that is another one plus an adapter: low-rank changes to the encoders (LoRA) and heads of its own.

Only the changes and the heads are stored, a few megabytes; encoders and vocabularies are the base's. Several adapters over one
base in memory share its weights: each is a model of its own, and going from one to another is using another object.
"""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModel

from hybridner.bundled import BUNDLED, BUNDLED_FOLDER
from hybridner.errors import ModelError
from hybridner.hybrid import lora
from hybridner.hybrid.configuration_adapted import AdaptedHybridNerConfig
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.hybrid.modeling_hybrid import HybridNerModel
from hybridner.models import MEMBER_CLASSES
from hybridner.models.loading import FETCH_AGAIN, check_finite, companion_file, read_model_type, readable_errors
from hybridner.models.safety import check_fits, read_shapes

if TYPE_CHECKING:
    from peft import PeftModel

_HEADS_FILE = "model.safetensors"
_HEADS = "members."


class AdaptedHybridNerModel(HybridNerModel):
    """A composite over the frozen encoders of a base, with LoRA matrices in them (Hu et al., 2021).

    Its folder holds the heads as `model.safetensors` and the changes to each encoder in a folder of its own, as PEFT stores them:
    `PeftModel.from_pretrained(encoder, FOLDER, subfolder="encoder-0")` reads them without hybridner. (With an
    `adapter_config.json` beside `config.json`, transformers would load the base in place of a model on the Hub.)

    Args:
        config: of the composite, with its base; `from_base` makes a new adapter, `from_pretrained` loads one.

    Examples:
        >>> config = AdaptedHybridNerConfig(**{**model.config.to_dict(), "base": "bundled"})
        >>> adapter = AdaptedHybridNerModel.from_base(model, config, rank=4)
        >>> adapter.member_names == model.member_names
        True
        >>> type(adapter.merged()).__name__
        'HybridNerModel'
    """

    config_class = AdaptedHybridNerConfig

    @classmethod
    def from_base(cls, base: HybridNerModel, config: AdaptedHybridNerConfig, *, rank: int = 8, trainable: bool = False) -> Self:
        """A new adapter that changes nothing yet, with heads of random weights.

        The base itself stays as it is; the encoders' weights lie in memory once.

        Args:
            base: the composite that is adapted.
            config: with the base's encoders.
            rank: r of the LoRA matrices.
            trainable: whether the LoRA matrices are to be trained.

        Raises:
            ModelError: the base is an adapter itself, or its encoders have other sizes than the configuration's.
        """
        _check_base(base, config)
        encoders = [lora.add_lora(e, rank, base_model=config.base_model, trainable=trainable) for e in base.encoders]
        model = cls._over(base, config, encoders)
        model.train(base.training)
        return model

    @classmethod
    def _over(cls, base: HybridNerModel, config: AdaptedHybridNerConfig, encoders: list[Any]) -> Self:
        with torch.device("meta"):
            model = cls(config)
        model.encoders = nn.ModuleList(encoders)
        heads = {name: MEMBER_CLASSES[c.model_type].head_class(c) for name, c in config.member_configs().items()}
        model.members = nn.ModuleDict(heads).to(base.device, base.dtype)
        model.vocabularies = base.vocabularies
        return model

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: Any, *args: Any, base: HybridNerModel | str | None = None, **kwargs: Any
    ) -> Self:
        """Load an adapter, and the base it names.

        Args:
            pretrained_model_name_or_path: folder or Hub id of the adapter.
            base: the base, already loaded (its weights are then shared) or another place to load it from.
            **kwargs: as for `PreTrainedModel.from_pretrained`.
            *args: as for `PreTrainedModel.from_pretrained`.

        Raises:
            ModelError: a file is missing or damaged, or the base cannot be loaded or is not the one the adapter was trained on.
        """
        source = str(pretrained_model_name_or_path)
        with readable_errors(source):
            config = cls.config_class.from_pretrained(
                source, **{key: kwargs[key] for key in _OF_ADAPTER if kwargs.get(key) is not None}
            )
        # Where there is no config.json, transformers gives an empty configuration.
        if not config.members:
            raise ModelError(f"{source} has no config.json of an adapter; {FETCH_AGAIN}")
        config.resolve_base(os.path.join(source, kwargs.get("subfolder") or ""))
        if not isinstance(base, HybridNerModel):
            base = _load_base(base or config.base, source, kwargs)
        if kwargs.get("dtype") in (None, "auto") and base_fingerprint(base) != config.base_fingerprint:
            raise ModelError(
                f"the adapter {source} was trained on another base than {config.base} now holds; fetch that version of the base, "
                "or adapt again"
            )
        _check_base(base, config)
        with readable_errors(source):
            heads_file = companion_file(source, _HEADS_FILE, kwargs)
            encoder_shapes = {f"encoders.{name}": tuple(weight.shape) for name, weight in base.encoders.state_dict().items()}
            try:
                check_fits(lambda: cls(config), {**encoder_shapes, **read_shapes([heads_file])})
                encoders = [
                    lora.load_lora(encoder, *(companion_file(source, f"encoder-{number}/{name}", kwargs) for name in lora.FILES))
                    for number, encoder in enumerate(base.encoders)
                ]
            except ModelError as error:
                raise ModelError(f"{source}: {error}; {FETCH_AGAIN}") from error
            model = cls._over(base, config, encoders)
            heads = load_file(heads_file)
        model.members.load_state_dict({name: heads[_HEADS + name] for name in model.members.state_dict()})
        check_finite(model, source)
        model.load_companions(source, kwargs)
        model.eval()
        return model

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """Save the adapter alone: its configuration, the heads and the files that every composite has, and LoRA matrices.

        Args:
            save_directory: a folder; made when it is not there.
            *args, **kwargs: as for `PreTrainedModel.save_pretrained`.
        """
        heads = {f"{_HEADS}{name}": tensor for name, tensor in self.members.state_dict().items()}
        result = super().save_pretrained(save_directory, *args, **{**kwargs, "state_dict": heads})
        if kwargs.get("is_main_process", True):
            for number, encoder in enumerate(cast("list[PeftModel]", self.encoders)):
                lora.save_lora(encoder, Path(save_directory) / f"encoder-{number}")
        return result

    def push_to_hub(self, repo_id: str, **kwargs: Any) -> str:  # type: ignore[override] # theirs is a wrapper of no clear type
        """Publish the adapter alone.

        Args:
            repo_id: "NAME/MODEL".
            **kwargs: as for `PreTrainedModel.push_to_hub`.

        Raises:
            ModelError: the base is a folder, which others do not have.
        """
        if self.config.base != BUNDLED and self.config.base_model is None:
            raise ModelError(missing_base(self.config.base))
        push: Any = super().push_to_hub
        return str(push(repo_id, **kwargs))

    def merged(self) -> HybridNerModel:
        """An ordinary composite that gives the same, with the changes added to the encoders' weights."""
        kept = {name: value for name, value in self.config.to_dict().items() if name not in _ADAPTER_FIELDS}
        with torch.device("meta"):
            model = HybridNerModel(HybridNerConfig(**kept))
        model.encoders = nn.ModuleList(map(lora.merge_lora, cast("list[PeftModel]", self.encoders)))
        model.members = copy.deepcopy(self.members)
        model.vocabularies = self.vocabularies
        model.take_companions(self)
        model.train(self.training)
        return model


def base_fingerprint(base: HybridNerModel) -> str:
    """A hash of all that an adapter takes from its base: the encoders' weights and the vocabularies."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in base.encoders.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().data)
    for vocabulary in base.vocabularies:
        digest.update(repr(sorted(vocabulary.ids.items())).encode())
    return digest.hexdigest()


def missing_base(base: str | None) -> str:
    """What to tell somebody who publishes an adapter whose base nobody else has."""
    return (
        f"the adapter stands on {base}, which others do not have; make it a composite of its own with `hybridner merge`, or "
        "publish that base and adapt it by its name on the Hub"
    )


def _check_base(base: HybridNerModel, config: AdaptedHybridNerConfig) -> None:
    if isinstance(base, AdaptedHybridNerModel):
        raise ModelError(_NO_BASE)
    if config.encoders != base.config.encoders:
        raise ModelError("the base has other encoders than the adapter was made for; give the base it was trained on")


def _load_base(name: str | None, adapter: str, kwargs: Mapping[str, Any]) -> HybridNerModel:
    options = {key: kwargs[key] for key in _OF_BASE if kwargs.get(key) is not None}
    if name is None:
        raise ModelError(f"the adapter {adapter} does not say what its base is; give it as `base`")
    source = str(BUNDLED_FOLDER) if name == BUNDLED else name
    try:
        # Only adapters have a base, so one that is its own base, or its base's, is refused here as well.
        if read_model_type(source, options) == AdaptedHybridNerConfig.model_type:
            raise ModelError(_NO_BASE)
        base = AutoModel.from_pretrained(source, trust_remote_code=False, **options)
    except (ModelError, OSError, ValueError) as error:
        raise ModelError(
            f"cannot load {name}, the base of the adapter {adapter}: {error}; when it lies elsewhere, give it as `base`"
        ) from error
    return base if isinstance(base, HybridNerModel) else HybridNerModel.assemble({base.config.model_type: base})


_NO_BASE = "the base is an adapter itself; merge it first (`hybridner merge`)"
#: Loading options that are about the adapter's own repository, and those that hold for its base as well.
_OF_BASE = ("token", "cache_dir", "local_files_only", "dtype")
_OF_ADAPTER = ("token", "cache_dir", "local_files_only", "revision", "subfolder", "force_download")
#: What an adapter's configuration has beyond or unlike an ordinary composite's.
_ADAPTER_FIELDS = {
    "base",
    "base_fingerprint",
    "model_type",
    "architectures",
    "dtype",
    "transformers_version",
    "_name_or_path",
}
