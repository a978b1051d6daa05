"""SpanNER: a span classifier that is both a member and the scorer of every other member's proposals."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from transformers.utils import ModelOutput

from hybridner.models.configuration_spanner import SpannerConfig
from hybridner.models.layers import BidirectionalRecurrent
from hybridner.models.modeling_member import MemberModel
from hybridner.models.span_scoring import AdditiveSpanScorer, span_logits, span_targets, valid_spans


@dataclass
class SpannerOutput(ModelOutput):
    """Output of SpanNER.

    Attributes:
        loss: weighted cross-entropy of all spans per character, when labels were given.
        token_scores: [B, n, 2(K + 1)] scores of each character as first and as last of a span of each label.
        length_scores: [L, K + 1] scores of each span length. `span_logits(token_scores, length_scores)` gives every span's sᵀy.
    """

    loss: Tensor | None = None
    token_scores: Tensor | None = None
    length_scores: Tensor | None = None


class SpannerModel(MemberModel):
    """Encoder -> BiLSTM -> sᵀy for every span of up to L characters (section 2.3.2)."""

    config_class = SpannerConfig

    def __init__(self, config: SpannerConfig) -> None:
        super().__init__(config)
        self.recurrent = BidirectionalRecurrent("lstm", self.encoder.config.hidden_size, config.head_size)
        self.scorer = AdditiveSpanScorer(
            config.head_size, len(config.labels) + 1, config.max_span_length, config.length_size
        )
        self.post_init()

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None) -> SpannerOutput:
        """Character and length scores and, with labels, the loss.

        Args:
            input_ids: [B, n + 2] token ids with [CLS] and [SEP].
            attention_mask: [B, n + 2], 1 for real tokens.
            labels: [B, E, 3] gold spans: start, end (exclusive), label number from 1; rows of -1 fill up.
        """
        hidden, mask = self.encode(input_ids, attention_mask)
        hidden = self.dropout(self.recurrent(hidden, mask))
        token_scores, length_scores = self.scorer.token_scores(hidden), self.scorer.length_scores()
        loss = None
        if labels is not None:
            loss = self._loss(span_logits(token_scores, length_scores), labels, mask)
        return SpannerOutput(loss=loss, token_scores=token_scores, length_scores=length_scores)

    def _loss(self, logits: Tensor, spans: Tensor, mask: Tensor) -> Tensor:
        longest = logits.size(2)
        targets = span_targets(spans, (logits.size(0), logits.size(1)), longest)
        valid = valid_spans(mask, longest)
        losses = functional.cross_entropy(logits[valid].float(), targets[valid], reduction="none")
        weights = torch.where(targets[valid] > 0, 1.0, self.config.outside_weight)
        return (losses * weights).sum() / mask.sum()
