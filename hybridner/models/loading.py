"""Saving and loading: one folder or repository is all a model needs, and what is wrong with it is said in plain words."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.utils.hub import cached_file
from transformers.utils.peft_utils import find_adapter_config_file

from hybridner.errors import ModelError
from hybridner.models.encoders import without_load_report
from hybridner.models.files import hub_options, weight_files
from hybridner.models.heads import init_head_weights
from hybridner.models.safety import check_fits, check_numbers, read_shapes
from hybridner.models.tokenization import TOKENIZER_FILES, character_tokenizer, read_vocabulary
from hybridner.registration import CONFIGURATIONS
from hybridner.text import CharacterVocabulary

#: What helps where files are missing or damaged.
FETCH_AGAIN = "fetch the whole folder again, or save the model there again with save_pretrained"


class CharacterModel(PreTrainedModel):
    """A model that reads characters: its tokenizers are saved and loaded beside the weights.

    Attributes:
        vocabularies: which token id each character has, for each distinct vocabulary of the model's encoders. The tokenizer of
            the first is in the model's folder, those of others in `vocabulary-1`, `vocabulary-2`, ...
    """

    vocabularies: list[CharacterVocabulary]
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    @property
    def max_characters(self) -> int:
        """The most characters that the model reads in one forward pass."""
        raise NotImplementedError

    def encoder_settings(self) -> list[tuple[int, Mapping[str, Any]]]:
        """For each encoder the number of its vocabulary, and its own configuration."""
        raise NotImplementedError

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """As `PreTrainedModel.save_pretrained`, with the tokenizers beside it."""
        if kwargs.get("is_main_process", True):
            for number, vocabulary in enumerate(self.vocabularies):
                folder = Path(save_directory) / vocabulary_folder(number)
                folder.mkdir(parents=True, exist_ok=True)
                character_tokenizer(vocabulary, self.max_characters).save_pretrained(folder)
        return super().save_pretrained(save_directory, *args, **kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As `PreTrainedModel.from_pretrained`, from a folder or the Hub.

        Raises:
            ModelError: a file is missing, damaged or of another model; a weight is no finite number; or weights are missing or
                of another size than the configuration says (with ``ignore_mismatched_sizes=True`` these start at random, as in
                transformers).
        """
        source = pretrained_model_name_or_path
        # Never pickles, which can hold code.
        lenient = {"ignore_mismatched_sizes": True, "output_loading_info": True, "use_safetensors": True}
        # transformers only warns of weights that are not there, in a long table, and leaves them random.
        with readable_errors(source), without_load_report():
            cls._check_files(source, kwargs)
            loaded: Any = super().from_pretrained(source, *args, **{**kwargs, **lenient})
        model, found = loaded
        wrong = [*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])]
        if wrong and not kwargs.get("ignore_mismatched_sizes"):
            raise ModelError(
                f"the weights in {source} do not fit its config.json: {len(wrong)} are missing or of another size, such as "
                f"{min(wrong)}; {FETCH_AGAIN}"
            )
        model.vocabularies = load_vocabularies(source, model.encoder_settings(), kwargs)
        check_finite(model, source)
        _align(model)
        return (model, found) if kwargs.get("output_loading_info") else model

    @classmethod
    def _check_files(cls, source: Any, options: Mapping[str, Any]) -> None:
        """Refuse a folder that would cost more than the weights in it; `options` are the keyword arguments of `from_pretrained`.

        Raises:
            ModelError: weights are missing or of another size than the configuration says, or a number in it is beyond all sense.
        """
        hub = hub_options(options)
        # An adapter there is one for the whole model, in the settings of which transformers believes.
        if (options.get("adapter_kwargs") or {}).get("_adapter_model_path") or find_adapter_config_file(source, **hub):
            raise ModelError(f"{source} has an adapter_config.json of another library beside its config.json; remove it")
        config = options.get("config")
        if not isinstance(config, PreTrainedConfig):
            check_numbers(PreTrainedConfig.get_config_dict(source, **hub)[0])
            config_class: Any = cls.config_class
            config = config_class.from_pretrained(source, **hub)
        files = weight_files(source, options)
        # Without files, and with an empty configuration where there is no config.json, others say what is wrong.
        if files and not options.get("ignore_mismatched_sizes"):
            problem = f"the weights in {source} do not fit its config.json"
            try:
                check_fits(lambda: cls(config), read_shapes(files), problem)
            except ModelError as error:
                raise ModelError(f"{error}; {FETCH_AGAIN}") from error

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if init_head_weights(module):
            return
        super()._init_weights(module)
        if isinstance(module, nn.MultiheadAttention):
            # Attention starts as the identity; at a head's learning rate random mixing of all characters is slow to unlearn.
            init.zeros_(module.out_proj.weight)


def read_model_type(source: Any, options: Mapping[str, Any]) -> str:
    """The model type of a model of hybridner, before anything is made of its configuration.

    Args:
        source: folder or Hub id.
        options: the keyword arguments of `from_pretrained`.

    Raises:
        ModelError: there is no model, one of another library, or a number in its configuration is beyond all sense.
    """
    try:
        settings, _ = PreTrainedConfig.get_config_dict(source, **hub_options(options))
    except (OSError, ValueError, RecursionError) as error:
        raise load_error(source, error) from error
    # transformers looks into the JSON before it knows that it is an object.
    except (TypeError, AttributeError) as error:
        raise ModelError(f"the configuration in {source} is no JSON object; {FETCH_AGAIN}") from error
    check_numbers(settings)
    model_type = settings.get("model_type")
    if not settings:
        raise ModelError(f"{source} has no config.json; {FETCH_AGAIN}")
    if model_type not in tuple(CONFIGURATIONS):
        raise ModelError(
            f"{source} holds a model of type {model_type!r}, neither a composite nor one of its members; `hybridner train` makes "
            "them"
        )
    return str(model_type)


def vocabulary_folder(number: int) -> str:
    """Where in a model's folder the tokenizer of a vocabulary lies."""
    return f"vocabulary-{number}" if number else ""


def load_vocabularies(
    source: Any, encoders: list[tuple[int, Mapping[str, Any]]], options: Mapping[str, Any]
) -> list[CharacterVocabulary]:
    """The vocabularies beside a model's weights.

    Args:
        source: folder or Hub id.
        encoders: see `CharacterModel.encoder_settings`.
        options: the keyword arguments of `from_pretrained`.

    Raises:
        ModelError: a file is missing or damaged, or has more tokens than the encoder.
    """
    vocabularies = []
    for number in range(max(index for index, _ in encoders) + 1):
        subfolder = "/".join(filter(None, [options.get("subfolder"), vocabulary_folder(number)]))
        vocabulary = read_vocabulary(
            *(companion_file(source, name, {**options, "subfolder": subfolder}) for name in TOKENIZER_FILES)
        )
        size = min(settings.get("vocab_size", math.inf) for index, settings in encoders if index == number)
        if vocabulary.size > size:
            raise ModelError(f"{source}: {TOKENIZER_FILES[0]} belongs to another model; {FETCH_AGAIN}")
        vocabularies.append(vocabulary)
    return vocabularies


@contextmanager
def readable_errors(source: Any) -> Iterator[None]:
    """Raise a ModelError where the files of a model at `source` cannot be read."""
    try:
        yield
    except (OSError, SafetensorError, RecursionError) as error:
        raise load_error(source, error) from error


def load_error(source: Any, error: Exception) -> ModelError:
    """The error that says why there is no model at `source`, and what helps."""
    advice = FETCH_AGAIN if Path(source).is_dir() else "give the folder or Hub id of a whole model"
    return ModelError(f"cannot load a model from {str(source)!r}: {str(error).rstrip('.')}; {advice}")


def companion_file(model: Any, name: str, options: Mapping[str, Any]) -> str:
    """Path of a file that lies beside a model's weights, in a folder or on the Hub.

    Args:
        model: folder or Hub id.
        options: the keyword arguments of `from_pretrained`; those about the Hub are used.

    Raises:
        ModelError: there is no such file.
    """
    try:
        return str(cached_file(model, name, **hub_options(options)))
    except OSError as error:
        raise ModelError(
            f"{model} has no {name}; was it saved with save_pretrained of hybridner? If so, {FETCH_AGAIN}"
        ) from error


def check_finite(model: nn.Module, source: Any) -> None:
    """Make sure that every weight is a finite number: with one that is not, a model finds nothing and says nothing.

    Raises:
        ModelError: one is not.
    """
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        # The sum costs a fraction of looking at each number, and hardly ever is infinite without one that is.
        if tensor.is_meta or not tensor.is_floating_point() or tensor.sum(dtype=torch.float32).isfinite():
            continue
        broken = int((~tensor.isfinite()).sum())
        if broken:
            raise ModelError(f"{name} in {source} has {broken} weights that are no finite numbers; {FETCH_AGAIN}")


def _align(model: nn.Module) -> None:
    """Move weights that lie at odd addresses of the mapped file.

    Matrix libraries choose their order of summation by alignment, and a loaded model is to give what the saved one gave, bit for
    bit.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % 64:
            tensor.data = tensor.data.clone()
