"""What all members share: an encoder with a head on it, as a transformers model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from transformers import AutoConfig
from transformers.modeling_outputs import BaseModelOutput

from hybridner.errors import ModelError
from hybridner.models.configuration_member import MemberConfig
from hybridner.models.encoders import (
    SPECIAL_TOKENS,
    max_encoder_characters,
    new_encoder,
    pretrained_encoder,
    stored_encoder_config,
)
from hybridner.models.heads import HeadOutput, MemberHead
from hybridner.models.loading import CharacterModel
from hybridner.spans import LabelSet
from hybridner.text import CharacterVocabulary


class MemberModel(CharacterModel):
    """An encoder with a head that turns each character into scores; base of the taggers and of SpanNER.

    Start one with `from_encoder` (pretrained weights), `from_scratch` (random weights) or `from_pretrained` (a saved member).

    Examples:
        >>> member = SpannerModel.from_encoder("bert-base-chinese", ["Place", "State"], num_hidden_layers=1)
        >>> member.max_characters
        64
    """

    config_class = MemberConfig
    base_model_prefix = "encoder"
    main_input_name = "input_ids"
    head_class: ClassVar[type[MemberHead]]
    #: The loss is a mean over the batch whatever else `forward` takes, so that Trainer has to average accumulated batches.
    accepts_loss_kwargs = False

    def __init__(self, config: MemberConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.encoder: Any = new_encoder(config.build_encoder_config())
        self.head: Any = self.head_class(config)
        self.vocabularies = []
        self.post_init()

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
        encoder_config, weights, vocabulary = pretrained_encoder(encoder, num_hidden_layers)
        model = cls._new(encoder_config, vocabulary, labels, settings)
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
        cls, encoder_config: Any, vocabulary: CharacterVocabulary, labels: LabelSet | Sequence[str], settings: dict[str, Any]
    ) -> Self:
        label_set = labels if isinstance(labels, LabelSet) else LabelSet.of(labels)
        config = cls.config_class(encoder_config=stored_encoder_config(encoder_config), label_set=label_set.to_dict(), **settings)
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
        return max_encoder_characters(self.encoder.config)

    def _encode(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, inputs_embeds: Tensor | None, options: Mapping[str, Any]
    ) -> tuple[BaseModelOutput, Tensor, Tensor]:
        """The encoder's output, and of the characters alone the states [B, n - 2, d] and the mask [B, n - 2].

        Raises:
            ModelError: neither ids nor embeddings, or rows without both special tokens.
        """
        given = input_ids if input_ids is not None else inputs_embeds
        if given is None or (input_ids is not None and inputs_embeds is not None):
            raise ModelError("give either input_ids or inputs_embeds")
        rows, tokens = given.shape[:2]
        if tokens < SPECIAL_TOKENS:
            raise ModelError(f"a row needs [CLS] and [SEP] around its characters, and this one has {tokens} tokens")
        if attention_mask is None:
            attention_mask = torch.ones(rows, tokens, dtype=torch.long, device=given.device)
        output = self.encoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **{name: value for name, value in options.items() if value is not None},
        )
        return output, output.last_hidden_state[:, 1:-1], attention_mask[:, SPECIAL_TOKENS:].bool()


def surround(values: Tensor, fill: float | Tensor = 0.0) -> Tensor:
    """[B, n, D] of characters -> [B, n + 2, D] of tokens, with `fill` (a number or [D]) at both special positions."""
    edge = values.new_zeros(values.size(0), 1, values.size(2)) + fill
    return torch.cat([edge, values, edge], dim=1)


def run_head(head: MemberHead, hidden: Tensor, mask: Tensor, labels: Tensor | None) -> HeadOutput:
    """The head's output, also for a batch without any character: recurrent layers refuse sequences of length 0."""
    if hidden.size(1):
        output: HeadOutput = head(hidden, mask, labels)
        return output
    longer = hidden.new_zeros(hidden.size(0), 1, hidden.size(2)), mask.new_zeros(mask.size(0), 1)
    if labels is not None and labels.dim() == 2:
        labels = labels.new_full((labels.size(0), 1), -100)
    logits, loss = head(*longer, labels)
    return HeadOutput(logits[:, :0], loss)
