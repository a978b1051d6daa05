"""What all members share: the encoder, the character vocabulary that goes with it, and the way both are stored."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel
from transformers import initialization as init
from transformers.utils import logging
from transformers.utils.generic import ModelOutput
from transformers.utils.hub import cached_file
from typing_extensions import Self

from hybridner.errors import ModelError
from hybridner.models.configuration_member import MemberConfig
from hybridner.models.crf import LinearChainCrf
from hybridner.models.layers import BidirectionalRecurrent, SelfAttention, Standardize
from hybridner.models.span_scoring import AdditiveSpanScorer
from hybridner.spans import LabelSet
from hybridner.text.characters import VOCABULARY_FILE, CharacterVocabulary, load_vocabularies, save_vocabularies

#: [CLS] and [SEP] around the characters.
SPECIAL_TOKENS = 2

#: What helps where files are missing or damaged.
FETCH_AGAIN = "fetch the whole folder again, or save the model there again with save_pretrained"
_HUB_OPTIONS = ("revision", "token", "cache_dir", "force_download", "local_files_only", "subfolder", "proxies")


@dataclass
class MemberOutput(ModelOutput):
    """What every member gives: `token_scores` [B, n, D] of each character and, when labels were given, the `loss`."""

    loss: Tensor | None = None
    token_scores: Tensor | None = None


class VocabularyMixin(PreTrainedModel):
    """Saves and loads the character vocabularies beside the weights, so that one folder or repository is all a model needs."""

    vocabularies: list[CharacterVocabulary]

    def save_pretrained(self, save_directory: str | os.PathLike[str], *args: Any, **kwargs: Any) -> Any:
        """As `PreTrainedModel.save_pretrained`, and `characters.json` beside it."""
        if kwargs.get("is_main_process", True):
            Path(save_directory).mkdir(parents=True, exist_ok=True)
            save_vocabularies(self.vocabularies, save_directory)
        return super().save_pretrained(save_directory, *args, **kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As `PreTrainedModel.from_pretrained`, from a folder or the Hub.

        Raises:
            ModelError: a file is missing, damaged or of another model; or weights are missing or of another size than the
                configuration says (with ``ignore_mismatched_sizes=True`` these start at random, as in transformers).
        """
        source = pretrained_model_name_or_path
        lenient = {"ignore_mismatched_sizes": True, "output_loading_info": True}
        # transformers only warns of weights that are not there, in a long table, and leaves them random.
        with plain_errors(source), _without_load_report():
            loaded: Any = super().from_pretrained(source, *args, **{**kwargs, **lenient})
        model, found = loaded
        wrong = [*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])]
        if wrong and not kwargs.get("ignore_mismatched_sizes"):
            raise ModelError(
                f"the weights in {source} do not fit its config.json: {len(wrong)} are missing or of another size, such as "
                f"{min(wrong)}; {FETCH_AGAIN}"
            )
        vocabularies = load_vocabularies(companion_file(source, VOCABULARY_FILE, kwargs))
        for number, settings in model.encoder_settings():
            if not 0 <= number < len(vocabularies) or vocabularies[number].size > settings.get("vocab_size", math.inf):
                raise ModelError(f"{source}: {VOCABULARY_FILE} belongs to another model; {FETCH_AGAIN}")
        model.vocabularies = vocabularies
        _align(model)
        return (model, found) if kwargs.get("output_loading_info") else model

    def encoder_settings(self) -> list[tuple[int, Mapping[str, Any]]]:
        """For each encoder the number of its vocabulary, and its own configuration."""
        raise NotImplementedError


@contextmanager
def plain_errors(source: Any) -> Iterator[None]:
    """Raise a ModelError where the files of a model at `source` cannot be read."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise not_loaded(source, error) from error


def not_loaded(source: Any, error: Exception) -> ModelError:
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
    hub = {option: options[option] for option in _HUB_OPTIONS if options.get(option) is not None}
    try:
        return str(cached_file(model, name, **hub))
    except OSError as error:
        raise ModelError(
            f"{model} has no {name}; was it saved with save_pretrained of hybridner? If so, {FETCH_AGAIN}"
        ) from error


class MemberModel(VocabularyMixin):
    """An encoder with a head that turns each character into scores; base of the taggers and of SpanNER.

    Args:
        config: the member's configuration.
        with_encoder: False for the head alone, in a composite that holds the encoders itself; it has no `forward` then.
    """

    config_class = MemberConfig
    base_model_prefix = "member"
    main_input_name = "input_ids"

    def __init__(self, config: MemberConfig, with_encoder: bool = True) -> None:
        super().__init__(config)
        encoder_config = config.build_encoder_config()
        self.encoder: Any = new_encoder(encoder_config) if with_encoder else None
        self.standardize = Standardize(encoder_config.hidden_size) if config.standardize else None
        self.dropout = nn.Dropout(config.dropout)
        self.vocabularies = []

    @classmethod
    def from_encoder(
        cls,
        encoder: str | os.PathLike[str],
        labels: LabelSet | Sequence[str],
        *,
        num_hidden_layers: int | None = None,
        **settings: Any,
    ) -> Self:
        """Start a new member from a pretrained encoder.

        Args:
            encoder: Hub id or folder of a BERT-type encoder with its tokenizer, such as "bert-base-chinese".
            labels: the entity types.
            num_hidden_layers: keep only the first so many layers.
            **settings: fields of this class's configuration.

        Raises:
            ModelError: the encoder cannot be loaded, or its tokenizer has no Chinese characters or special tokens.
        """
        changes = {} if num_hidden_layers is None else {"num_hidden_layers": num_hidden_layers}
        try:
            encoder_config = AutoConfig.from_pretrained(encoder)
            deepest = getattr(encoder_config, "num_hidden_layers", None)
            if num_hidden_layers is not None and not 1 <= num_hidden_layers <= (deepest or num_hidden_layers):
                raise ModelError(f"num_hidden_layers must be between 1 and {deepest}, not {num_hidden_layers}")
            encoder_config = AutoConfig.from_pretrained(encoder, **changes)
            with _without_load_report():
                weights = AutoModel.from_pretrained(encoder, config=encoder_config, dtype=torch.float32).state_dict()
            tokenizer = AutoTokenizer.from_pretrained(encoder)
        except OSError as error:
            raise ModelError(f"cannot load the encoder {str(encoder)!r}: {error}") from error
        model = cls._new(encoder_config, CharacterVocabulary.from_tokenizer(tokenizer), labels, settings)
        wanted = model.encoder.state_dict()
        model.encoder.load_state_dict({name: tensor for name, tensor in weights.items() if name in wanted})
        return model

    @classmethod
    def from_scratch(
        cls,
        encoder_config: dict[str, Any],
        vocabulary: CharacterVocabulary,
        labels: LabelSet | Sequence[str],
        **settings: Any,
    ) -> Self:
        """Start a new member whose encoder has random weights.

        Args:
            encoder_config: `model_type` and sizes of the encoder; `vocab_size` is set from the vocabulary.
            vocabulary: which character has which token id.
            labels: the entity types.
            **settings: fields of this class's configuration.
        """
        sizes = {"vocab_size": vocabulary.size, **encoder_config, "pad_token_id": vocabulary.pad}
        return cls._new(AutoConfig.for_model(sizes.pop("model_type"), **sizes), vocabulary, labels, settings)

    @classmethod
    def _new(
        cls,
        encoder_config: Any,
        vocabulary: CharacterVocabulary,
        labels: LabelSet | Sequence[str],
        settings: dict[str, Any],
    ) -> Self:
        label_set = labels if isinstance(labels, LabelSet) else LabelSet.of(labels)
        stored = {name: value for name, value in encoder_config.to_dict().items() if name not in _NOT_STORED}
        config = cls.config_class(encoder_config=stored, label_set=label_set.to_dict(), **settings)
        model = cls(config)
        model.vocabularies = [vocabulary]
        return model

    def encoder_settings(self) -> list[tuple[int, Mapping[str, Any]]]:
        return [(0, self.config.encoder_config)]

    @property
    def vocabulary(self) -> CharacterVocabulary:
        """Which token id each character has for this member's encoder."""
        return self.vocabularies[0]

    @property
    def max_characters(self) -> int:
        """The most characters the encoder reads at once."""
        return encoder_capacity(self.encoder.config)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> MemberOutput:
        """Scores of each character and, with labels, the loss.

        Args:
            input_ids: [B, n + 2] token ids with [CLS] and [SEP].
            attention_mask: [B, n + 2], 1 for real tokens.
            labels: as `head` wants them.
        """
        return self.head(encode(self.encoder, input_ids, attention_mask), character_mask(attention_mask), labels)

    def head(self, hidden: Tensor, mask: Tensor, labels: Tensor | None = None) -> MemberOutput:
        """The same from what an encoder has made of the characters: hidden [B, n, d] and a bool mask [B, n]."""
        raise NotImplementedError

    def features(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, n, d] encoder output as the head's layers want it: standardised if so configured, with dropout in training."""
        return self.dropout(hidden if self.standardize is None else self.standardize(hidden, mask))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        # transformers' own initialisation leaves GRUs, bare parameters and module types it does not know alone.
        if isinstance(module, (nn.LSTM, nn.GRU)):
            for name, parameter in module.named_parameters():
                if "weight_hh" in name:
                    init.orthogonal_(parameter)
                elif "weight" in name:
                    init.xavier_uniform_(parameter)
                else:
                    init.zeros_(parameter)
        elif isinstance(module, nn.MultiheadAttention):
            super()._init_weights(module)
            # Attention starts as the identity; at a head's learning rate random mixing of all characters is slow to unlearn.
            init.zeros_(module.out_proj.weight)
        elif isinstance(module, LinearChainCrf):
            for parameter in module.parameters():
                init.uniform_(parameter, -0.1, 0.1)
        elif isinstance(module, AdditiveSpanScorer):
            init.copy_(module.bias, module.prior_bias(module.bias.numel()))
        elif not isinstance(module, (Standardize, BidirectionalRecurrent, SelfAttention)):
            super()._init_weights(module)


def new_encoder(encoder_config: Any) -> Any:
    """An encoder with random weights, without the pooler: its weights would never see a gradient."""
    encoder = AutoModel.from_config(encoder_config)
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder


def encode(encoder: Any, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """What an encoder makes of the characters alone: [B, n + 2] ids and mask with [CLS] and [SEP] -> [B, n, d]."""
    hidden: Tensor = encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    return hidden[:, 1:-1]


def character_mask(attention_mask: Tensor) -> Tensor:
    """[B, n + 2] of tokens -> bool [B, n], True for the characters of each text."""
    return attention_mask[:, SPECIAL_TOKENS:].bool()


def _align(model: nn.Module) -> None:
    """Move weights that lie at odd addresses of the mapped file.

    Matrix libraries choose their order of summation by alignment, and a loaded model is to give what the saved one gave, bit for
    bit.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.device.type == "cpu" and tensor.data_ptr() % 64:
            tensor.data = tensor.data.clone()


@contextmanager
def _without_load_report() -> Iterator[None]:
    """Layers cut off on purpose would otherwise fill the screen as "unexpected" weights."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


#: Parts of an encoder's configuration that say where it came from, not what it is.
_NOT_STORED = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "id2label", "label2id"}


def encoder_capacity(encoder_config: Any) -> int:
    """The most characters an encoder with this configuration reads at once, its special tokens taken off."""
    positions = getattr(encoder_config, "max_position_embeddings", 512)
    # RoBERTa's own position numbers start after the padding index.
    reserved = encoder_config.pad_token_id + 1 if encoder_config.model_type in {"roberta", "xlm-roberta", "camembert"} else 0
    return int(positions) - reserved - SPECIAL_TOKENS
