"""What a member puts on top of its encoder: from encoder states to logits of each character, and the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import initialization as init

from hybridner.models.configuration_member import MemberConfig
from hybridner.models.configuration_spanner import SpannerConfig
from hybridner.models.configuration_tagger import TaggerConfig
from hybridner.models.crf import LinearChainCrf
from hybridner.models.decoders import Decoder, SpannerDecoder, TaggerDecoder
from hybridner.models.layers import BidirectionalRnn, FeatureNorm, SelfAttention, init_rnn
from hybridner.models.span_scoring import UNKNOWN, SpanLogits, prior_bias, span_logits, span_targets, valid_spans
from hybridner.spans import Span, spans_to_tags


class HeadOutput(NamedTuple):
    """`logits` [B, n, D] of each character and, with labels, the `loss` []: per character, a mean over the batch."""

    logits: Tensor
    loss: Tensor | None


class MemberHead(nn.Module):
    """Everything of a member but its encoder; members of a composite may stand on one encoder.

    Examples:
        >>> head = SpannerModel.from_encoder("bert-base-chinese", ["Place", "State"], max_span_length=6).head
        >>> isinstance(head, MemberHead), head.label_kind
        (True, 'spans')
        >>> head.count_unrepresentable([Span(0, 9, "Place")], 10)       # longer than L
        1
    """

    #: Which form of gold its `forward` takes: "tags" [B, n] or "spans" [B, E, 3].
    label_kind: ClassVar[str]
    decoder_class: ClassVar[Any]
    decoder: Decoder

    def __init__(self, config: MemberConfig) -> None:
        super().__init__()
        self.config: Any = config
        self.feature_norm = FeatureNorm(config.hidden_size) if config.feature_norm else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor, mask: Tensor, labels: Tensor | None = None) -> HeadOutput:
        """Logits of each character from what an encoder has made of them.

        Args:
            hidden: [B, n, d] encoder output, special tokens taken off.
            mask: [B, n] bool, True for the first characters of each row.
            labels: gold in the form of `label_kind`.
        """
        raise NotImplementedError

    def features(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, n, d] encoder output as the head's layers want it: normed if so configured, with dropout in training."""
        features: Tensor = self.dropout(hidden if self.feature_norm is None else self.feature_norm(hidden, mask))
        return features

    def count_unrepresentable(self, entities: Sequence[Span], length: int) -> int:
        """How many of a text's gold entities this member cannot give back, however well it learns.

        Args:
            entities: gold spans of a text.
            length: its characters.
        """
        raise NotImplementedError


class TaggerHead(MemberHead):
    """(Self-attention) -> BiLSTM or BiGRU -> linear -> CRF over BIO tags (section 2.3.1).

    Examples:
        >>> tagger = BertBiLstmCrfModel.from_encoder("bert-base-chinese", ["Place", "State"])
        >>> hidden, mask = torch.zeros(1, 10, 16), torch.ones(1, 10, dtype=torch.bool)
        >>> isinstance(tagger.head, TaggerHead), tagger.head.features(hidden, mask).shape
        (True, torch.Size([1, 10, 16]))
    """

    label_kind = "tags"
    decoder_class = TaggerDecoder
    decoder: TaggerDecoder

    def __init__(self, config: TaggerConfig) -> None:
        super().__init__(config)
        size = config.hidden_size
        self.attention = SelfAttention(size, config.attention_heads, config.dropout) if config.attention_heads else None
        self.rnn = BidirectionalRnn(config.rnn_cell, size, config.rnn_hidden_size)
        self.emission = nn.Linear(config.rnn_hidden_size, 2 * len(config.labels) + 1)
        self.decoder = TaggerDecoder(config)

    def forward(self, hidden: Tensor, mask: Tensor, labels: Tensor | None = None) -> HeadOutput:
        """Emissions of the BIO tags [B, n, 2K + 1], before the CRF, and with labels the mean negative log-likelihood.

        `labels` [B, n] are tag numbers (see `hybridner.spans.tags`); at a character, a negative one means that its tag is not
        known, and the likelihood is summed over all; values beyond a text's end are ignored.
        """
        hidden = self.features(hidden, mask)
        if self.attention is not None:
            hidden = self.attention(hidden, mask)
        emissions = self.emission(self.dropout(self.rnn(hidden, mask)))
        loss = None
        if labels is not None:
            filled = mask.any(1)
            likelihood = self.decoder.crf.log_likelihood(emissions[filled], labels[filled], mask[filled]).sum()
            loss = (-likelihood / mask.sum().clamp(min=1)).to(emissions.dtype)
        return HeadOutput(emissions, loss)

    def count_unrepresentable(self, entities: Sequence[Span], length: int) -> int:
        """Entities that lie inside or across another one: BIO has one tag for each character."""
        names = list(dict.fromkeys(span.label for span in entities))
        return len(entities) - sum(tag % 2 for tag in spans_to_tags(entities, length, names))


class SpannerHead(MemberHead):
    """BiLSTM -> sᵀy for every span of up to L characters (section 2.3.2).

    Examples:
        >>> head = SpannerModel.from_encoder("bert-base-chinese", ["Place", "State"]).head
        >>> states = head.states(torch.zeros(1, 10, 16), torch.ones(1, 10, dtype=torch.bool))
        >>> head.span_vectors(states, torch.tensor([[0, 0, 3], [0, 6, 9]])).shape
        torch.Size([2, 544])
    """

    label_kind = "spans"
    decoder_class = SpannerDecoder
    decoder: SpannerDecoder

    def __init__(self, config: SpannerConfig) -> None:
        super().__init__(config)
        self.rnn = BidirectionalRnn("lstm", config.hidden_size, config.rnn_hidden_size)
        self.boundary = SpanLogits(config.rnn_hidden_size, len(config.labels) + 1)
        self.decoder = SpannerDecoder(config)

    def forward(self, hidden: Tensor, mask: Tensor, labels: Tensor | None = None) -> HeadOutput:
        """Start and end logits [B, n, 2(K + 1)] and, with labels, the cross-entropy of all spans per character.

        `labels` [B, E, 3] are gold spans in characters: start, end (exclusive), label number from 1; rows of -1 fill up.
        """
        logits = self.boundary(self.states(hidden, mask))
        loss = None if labels is None else self._loss(span_logits(logits, self.decoder.length_logits()), labels, mask)
        return HeadOutput(logits, loss)

    def states(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, n, d] the h of equation 3: what the BiLSTM makes of the encoder's output [B, n, d]; `mask` is [B, n] bool."""
        states: Tensor = self.dropout(self.rnn(self.features(hidden, mask), mask))
        return states

    @torch.no_grad()
    def span_vectors(self, states: Tensor, spans: Tensor) -> Tensor:
        """s = [h_b ; h_e ; ℓ(e - b + 1)] (equation 3) of any spans [C, 3] (row, start, end): [C, 2d + d'] in single precision.

        Scoring never needs it; it says which spans SpanNER finds alike. A span longer than L has the length vector of L.
        """
        row, start, end = spans.unbind(1)
        table = self.decoder.length_logits.embedding.weight.to(states.device)
        length = table[(end - start - 1).clamp(max=table.size(0) - 1)]
        return torch.cat([states[row, start].float(), states[row, end - 1].float(), length.float()], dim=-1)

    def _loss(self, logits: Tensor, spans: Tensor, mask: Tensor) -> Tensor:
        longest = logits.size(2)
        targets = span_targets(spans, (logits.size(0), logits.size(1)), longest)
        valid = valid_spans(mask, longest)
        losses = functional.cross_entropy(logits[valid].float(), targets[valid], ignore_index=UNKNOWN, reduction="none")
        weights = torch.where(targets[valid] > 0, 1.0, self.config.negative_weight)
        return (losses * weights).sum() / mask.sum().clamp(min=1)

    def count_unrepresentable(self, entities: Sequence[Span], length: int) -> int:
        """Entities of more than L characters."""
        return sum(span.end - span.start > self.config.max_span_length for span in entities)


@torch.no_grad()
def init_head_weights(module: nn.Module) -> bool:
    """Initialize a module of a head that transformers' own initialisation does not know; False for any other module."""
    if isinstance(module, (nn.LSTM, nn.GRU)):
        init_rnn(module)
    elif isinstance(module, LinearChainCrf):
        for parameter in module.parameters():
            init.uniform_(parameter, -0.1, 0.1)
    elif isinstance(module, SpanLogits):
        init.copy_(module.bias, prior_bias(module.bias.numel()))
    else:
        return isinstance(module, (FeatureNorm, BidirectionalRnn, SelfAttention))
    return True
