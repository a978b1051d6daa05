"""Configurations of the three taggers."""

from __future__ import annotations

from typing import Any

from hybridner.errors import ModelError
from hybridner.models.configuration_member import MemberConfig
from hybridner.spans import LabelSet
from hybridner.spans.tags import tag_names


class TaggerConfig(MemberConfig):
    """Encoder -> (attention) -> BiLSTM or BiGRU -> linear -> CRF over BIO tags.

    Args:
        rnn_cell: "lstm" or "gru".
        attention_heads: heads of the self-attention before the recurrent layer; 0 for none.

    Examples:
        >>> TaggerConfig(rnn_cell="gru", attention_heads=4).rnn_cell
        'gru'
    """

    model_type = "hybridner-tagger"

    rnn_cell: str = "lstm"
    attention_heads: int = 0

    def __post_init__(self, **kwargs: Any) -> None:
        if self.rnn_cell not in {"lstm", "gru"}:
            raise ModelError(f'rnn_cell must be "lstm" or "gru", not {self.rnn_cell!r}')
        super().__post_init__(**kwargs)

    @staticmethod
    def _output_names(labels: LabelSet) -> list[str]:
        return tag_names(labels.names)


class BertBiLstmCrfConfig(TaggerConfig):
    """Configuration of BERT-BiLSTM-CRF (section 2.3.1, model 1).

    Further parameters are those of `TaggerConfig` and `MemberConfig`.

    Examples:
        >>> config = BertBiLstmCrfConfig(rnn_hidden_size=128)
        >>> config.rnn_cell, config.attention_heads
        ('lstm', 0)
    """

    model_type = "bert-bilstm-crf"


class RobertaBiGruCrfConfig(TaggerConfig):
    """Configuration of RoBERTa-BiGRU-CRF (section 2.3.1, model 2).

    Further parameters are those of `TaggerConfig` and `MemberConfig`.

    Args:
        rnn_cell: "lstm" or "gru".

    Examples:
        >>> config = RobertaBiGruCrfConfig(rnn_hidden_size=128)
        >>> config.rnn_cell, config.attention_heads
        ('gru', 0)
    """

    model_type = "roberta-bigru-crf"

    rnn_cell: str = "gru"


class MacBertAttnBiLstmCrfConfig(TaggerConfig):
    """Configuration of MacBERT-Attn-BiLSTM-CRF (section 2.3.1, model 3).

    Further parameters are those of `TaggerConfig` and `MemberConfig`.

    Args:
        attention_heads: heads of the self-attention before the recurrent layer.

    Examples:
        >>> config = MacBertAttnBiLstmCrfConfig(rnn_hidden_size=128)
        >>> config.rnn_cell, config.attention_heads
        ('lstm', 8)
    """

    model_type = "macbert-attn-bilstm-crf"

    attention_heads: int = 8
