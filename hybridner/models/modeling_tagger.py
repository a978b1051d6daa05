"""The three taggers: one implementation, three configurations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hybridner.models.configuration_tagger import (
    BertBiLstmCrfConfig,
    MacBertAttnBiLstmCrfConfig,
    RobertaBiGruCrfConfig,
    TaggerConfig,
)
from hybridner.models.crf import LinearChainCrf
from hybridner.models.layers import BidirectionalRecurrent, SelfAttention
from hybridner.models.modeling_member import MemberModel, MemberOutput


class TaggerModel(MemberModel):
    """Encoder -> (self-attention) -> BiLSTM or BiGRU -> linear -> CRF (section 2.3.1)."""

    config_class = TaggerConfig

    def __init__(self, config: TaggerConfig, with_encoder: bool = True) -> None:
        super().__init__(config, with_encoder)
        size = config.encoder_width
        self.attention = SelfAttention(size, config.attention_heads, config.dropout) if config.attention_heads else None
        self.recurrent = BidirectionalRecurrent(config.recurrent, size, config.head_size)
        num_tags = 2 * len(config.labels) + 1
        self.emission = nn.Linear(config.head_size, num_tags)
        self.crf = LinearChainCrf(num_tags)
        self.post_init()

    def head(self, hidden: Tensor, mask: Tensor, labels: Tensor | None = None) -> MemberOutput:
        """Emission scores of the BIO tags, before the CRF, and with labels the mean negative log-likelihood per character.

        Args:
            hidden: [B, n, d] encoder output.
            mask: [B, n] bool.
            labels: [B, n] BIO tag numbers (see `hybridner.spans.tags`); values beyond a text's end are ignored.

        Returns:
            `token_scores` [B, n, 2K + 1] and the loss.
        """
        hidden = self.features(hidden, mask)
        if self.attention is not None:
            hidden = self.attention(hidden, mask)
        emissions = self.emission(self.dropout(self.recurrent(hidden, mask)))
        loss = None
        if labels is not None:
            loss = -self.crf.log_likelihood(emissions, labels, mask).sum() / mask.sum()
            loss = loss.to(emissions.dtype)
        return MemberOutput(loss=loss, token_scores=emissions)

    def propose(self, token_scores: Tensor, mask: Tensor) -> Tensor:
        """Entities of the best tag sequence of each row (Viterbi).

        Args:
            token_scores: [B, n, 2K + 1] as `head` gives them.
            mask: [B, n] bool.

        Returns:
            [P, 4] row, start, end (exclusive), label number from 1.
        """
        tags = self.crf.viterbi(token_scores, mask)
        begins = tags % 2 == 1
        follows = torch.zeros_like(begins)
        follows[:, :-1] = (tags[:, 1:] > 0) & (tags[:, 1:] % 2 == 0)
        row, start = begins.nonzero(as_tuple=True)
        # In a legal sequence firsts and lasts alternate, so the i-th first belongs to the i-th last.
        _, last = ((tags > 0) & ~follows).nonzero(as_tuple=True)
        return torch.stack([row, start, last + 1, tags[row, start] // 2 + 1], dim=1)

    def span_probabilities(self, token_scores: Tensor, mask: Tensor, spans: Tensor) -> Tensor:
        """P(label | span) of any spans [C, 3] (row, start, end), from the CRF's exact marginals: [C, K + 1] double, O first."""
        entity = self.crf.span_probabilities(token_scores, mask, spans)
        outside = (1.0 - entity.sum(1, keepdim=True)).clamp(min=0.0)
        return torch.cat([outside, entity], dim=1)


class BertBiLstmCrfModel(TaggerModel):
    """BERT-BiLSTM-CRF."""

    config_class = BertBiLstmCrfConfig


class RobertaBiGruCrfModel(TaggerModel):
    """RoBERTa-BiGRU-CRF."""

    config_class = RobertaBiGruCrfConfig


class MacBertAttnBiLstmCrfModel(TaggerModel):
    """MacBERT-Attn-BiLSTM-CRF."""

    config_class = MacBertAttnBiLstmCrfConfig
