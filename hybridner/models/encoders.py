"""The pretrained encoder under a member: making one, how much it reads at once, and what it makes of characters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedConfig
from transformers.utils import logging

from hybridner.errors import ModelError
from hybridner.models.files import optional_file, weight_files
from hybridner.models.safety import check_amount, check_encoder_settings
from hybridner.text import CharacterVocabulary

#: [CLS] before and [SEP] after the characters.
SPECIAL_TOKENS = 2

#: Parts of an encoder's configuration that say where it came from, not what it is.
_NOT_STORED = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "id2label", "label2id"}


def new_encoder(encoder_config: Any) -> Any:
    """An encoder with random weights, without the pooler: its weights would never see a gradient."""
    encoder = AutoModel.from_config(encoder_config, trust_remote_code=False)
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder


def pretrained_encoder(
    source: str | os.PathLike[str], num_hidden_layers: int | None = None
) -> tuple[Any, dict[str, Tensor], CharacterVocabulary]:
    """Configuration, weights in single precision and characters of a pretrained encoder.

    Args:
        source: Hub id or folder of a BERT-type encoder with its tokenizer, such as "bert-base-chinese".
        num_hidden_layers: keep only the first so many layers.

    Raises:
        ModelError: the encoder cannot be loaded or has fewer layers, or its tokenizer has no Chinese characters or special
            tokens.
    """
    changes = {} if num_hidden_layers is None else {"num_hidden_layers": num_hidden_layers}
    try:
        _check_encoder(source)
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        deepest = getattr(config, "num_hidden_layers", None)
        if num_hidden_layers is not None and not 1 <= num_hidden_layers <= (deepest or num_hidden_layers):
            raise ModelError(f"num_hidden_layers must be between 1 and {deepest}, not {num_hidden_layers}")
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **changes)
        with without_load_report():
            model = AutoModel.from_pretrained(source, config=config, dtype=torch.float32, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise ModelError(
            f"cannot load the encoder {str(source)!r}: {problem}; give the folder of an encoder with its tokenizer, or its Hub id"
        ) from error
    return config, model.state_dict(), CharacterVocabulary.from_tokenizer(tokenizer)


def _check_encoder(source: str | os.PathLike[str]) -> None:
    """Refuse an encoder that would cost more than the weights that are stored.

    Raises:
        ModelError: its configuration describes more, or no text encoder of transformers.
        OSError: a file is missing.
    """
    # Where there is no safetensors file: PyTorch's own format, which transformers reads without running code that is in it.
    files: list[str | None] = [*weight_files(source, {})] or [optional_file(source, "pytorch_model.bin", {})]
    size = sum(os.path.getsize(file) for file in files if file is not None)
    try:
        check_encoder_settings(PreTrainedConfig.get_config_dict(source)[0])
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        check_amount(lambda: AutoModel.from_config(config, trust_remote_code=False), size)
    except ModelError as error:
        raise ModelError(f"cannot load the encoder {str(source)!r}: {error}") from error


def stored_encoder_config(encoder_config: Any) -> dict[str, Any]:
    """What a member keeps of its encoder's configuration."""
    return {name: value for name, value in encoder_config.to_dict().items() if name not in _NOT_STORED}


def max_encoder_characters(encoder_config: Any) -> int:
    """The most characters an encoder with this configuration reads at once, its special tokens taken off."""
    positions = getattr(encoder_config, "max_position_embeddings", 512)
    # RoBERTa's own position numbers start after the padding index.
    reserved = encoder_config.pad_token_id + 1 if encoder_config.model_type in {"roberta", "xlm-roberta", "camembert"} else 0
    return int(positions) - reserved - SPECIAL_TOKENS


def encode_characters(encoder: Any, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """What an encoder makes of the characters alone: [B, n + 2] ids and mask with [CLS] and [SEP] -> [B, n, d]."""
    hidden: Tensor = encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return hidden[:, 1:-1]


def character_mask(attention_mask: Tensor) -> Tensor:
    """[B, n + 2] of tokens -> bool [B, n], True for the characters of each text (padding to the right)."""
    return attention_mask[:, SPECIAL_TOKENS:].bool()


@contextmanager
def without_load_report() -> Iterator[None]:
    """Silence transformers' report of weights that were left out on purpose."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
