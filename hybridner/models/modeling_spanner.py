"""SpanNER: a span classifier that is both a member and the scorer of every other member's proposals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hybridner.models.configuration_spanner import SpannerConfig
from hybridner.models.layers import BidirectionalRecurrent
from hybridner.models.modeling_member import MemberModel, MemberOutput
from hybridner.models.span_scoring import AdditiveSpanScorer, entity_odds, span_logits, span_targets, valid_spans
from hybridner.spans import RESOLVERS


@dataclass
class SpannerOutput(MemberOutput):
    """Output of SpanNER: as every member's, and `length_scores` [L, K + 1] of each span length.

    `span_logits(token_scores, length_scores)` gives every span's sᵀy.
    """

    length_scores: Tensor | None = None


class SpannerModel(MemberModel):
    """Encoder -> BiLSTM -> sᵀy for every span of up to L characters (section 2.3.2)."""

    config_class = SpannerConfig

    def __init__(self, config: SpannerConfig, with_encoder: bool = True) -> None:
        super().__init__(config, with_encoder)
        self.recurrent = BidirectionalRecurrent("lstm", config.encoder_width, config.head_size)
        self.scorer = AdditiveSpanScorer(config.head_size, len(config.labels) + 1, config.max_span_length, config.length_size)
        self.post_init()

    def head(self, hidden: Tensor, mask: Tensor, labels: Tensor | None = None) -> SpannerOutput:
        """Scores of each character as first and as last of a span of each label and, with labels, the cross-entropy of all
        spans per character.

        Args:
            hidden: [B, n, d] encoder output.
            mask: [B, n] bool.
            labels: [B, E, 3] gold spans: start, end (exclusive), label number from 1; rows of -1 fill up.

        Returns:
            `token_scores` [B, n, 2(K + 1)], `length_scores` [L, K + 1] and the loss.
        """
        token_scores, length_scores = self.scorer.token_scores(self.states(hidden, mask)), self.scorer.length_scores()
        loss = None
        if labels is not None:
            loss = self._loss(span_logits(token_scores, length_scores), labels, mask)
        return SpannerOutput(loss=loss, token_scores=token_scores, length_scores=length_scores)

    def states(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[B, n, d] the h of equation 3: what the BiLSTM makes of the encoder's output [B, n, d]; `mask` is [B, n] bool."""
        return self.dropout(self.recurrent(self.features(hidden, mask), mask))

    @torch.no_grad()
    def span_vectors(self, states: Tensor, spans: Tensor) -> Tensor:
        """s = [h_b ; h_e ; ℓ(e - b + 1)] (equation 3) of any spans [C, 3] (row, start, end): [C, 2d + d'] in single precision.

        Scoring never needs it; it says which spans SpanNER finds alike. A span longer than L has the length vector of L.
        """
        row, start, end = spans.unbind(1)
        table = self.scorer.length_embedding.weight.to(states.device)
        length = table[(end - start - 1).clamp(max=table.size(0) - 1)]
        return torch.cat([states[row, start].float(), states[row, end - 1].float(), length.float()], dim=-1)

    def _loss(self, logits: Tensor, spans: Tensor, mask: Tensor) -> Tensor:
        longest = logits.size(2)
        targets = span_targets(spans, (logits.size(0), logits.size(1)), longest)
        valid = valid_spans(mask, longest)
        losses = functional.cross_entropy(logits[valid].float(), targets[valid], reduction="none")
        weights = torch.where(targets[valid] > 0, 1.0, self.config.outside_weight)
        return (losses * weights).sum() / mask.sum()

    @torch.no_grad()
    def likely_spans(self, token_scores: Tensor, mask: Tensor, floor: float) -> tuple[Tensor, Tensor]:
        """Spans whose best label other than O is at least `floor` times as probable as O.

        Args:
            token_scores: [B, n, 2(K + 1)] as `head` gives them.
            mask: [B, n] bool.
            floor: a positive number; 1 keeps what SpanNER itself would call an entity.

        Returns:
            [S, 4] row, start, end (exclusive), label number from 1; and [S] ln P(label) - ln P(O) in nats.
        """
        length_scores = self.scorer.length_scores().float()
        longest = len(length_scores)
        # A text of any length in bounded memory: so many first characters at a time.
        stride = max(1, _CELLS // (token_scores.size(0) * longest))
        found = []
        for offset in range(0, token_scores.size(1), stride):
            part = token_scores[:, offset : offset + stride + longest - 1].float()
            inside = mask[:, offset : offset + stride + longest - 1]
            odds = entity_odds(part, length_scores)[:, :stride]
            keep = (odds >= math.log(floor)) & valid_spans(inside, longest)[:, :stride]
            row, start, length = keep.nonzero(as_tuple=True)
            found.append(torch.stack([row, start + offset, start + offset + length + 1], dim=1))
        spans = torch.cat(found)
        logits, _ = self.span_scores(token_scores, spans)
        best, label = logits[:, 1:].max(1)
        return torch.cat([spans, label[:, None] + 1], dim=1), best - logits[:, 0]

    def propose(self, token_scores: Tensor, mask: Tensor, decoding: str = "flat") -> Tensor:
        """The most probable set of entities of each row, without overlap ("flat") or without crossing ("nested").

        Args:
            token_scores, mask: as in `likely_spans`.

        Returns:
            [P, 4] row, start, end (exclusive), label number from 1.
        """
        return resolved(*self.likely_spans(token_scores, mask, 1.0), decoding)

    @torch.no_grad()
    def span_scores(self, token_scores: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
        """sᵀy of any spans [C, 3] (row, start, end).

        Returns:
            [C, K + 1], all 0 where a span is longer than L; and [C] bool, False there.
        """
        row, start, end = spans.unbind(1)
        first, last = token_scores.float().chunk(2, dim=-1)
        length_scores = self.scorer.length_scores().float()
        scored = end - start <= length_scores.size(0)
        length = (end - start - 1).clamp(max=length_scores.size(0) - 1)
        return (first[row, start] + last[row, end - 1] + length_scores[length]) * scored[:, None], scored


def resolved(spans: Tensor, odds: Tensor, decoding: str) -> Tensor:
    """The best set of each row out of [S, 4] spans with their log-odds [S]; see `hybridner.spans.resolve`."""
    rows = spans[:, 0].tolist()
    intervals = [(start, end) for start, end in spans[:, 1:3].tolist()]
    weights = odds.tolist()
    by_row: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        by_row.setdefault(row, []).append(index)
    chosen = [
        indices[position]
        for indices in by_row.values()
        for position in RESOLVERS[decoding]([intervals[i] for i in indices], [weights[i] for i in indices])
    ]
    return spans[chosen]


#: Most spans looked at at once (8 MB).
_CELLS = 1_000_000
