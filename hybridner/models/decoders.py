"""From a member's logits to spans: what works on whole texts, whichever runtime gave the logits.

Decoders own the few weights that decoding needs (the CRF's transitions, SpanNER's length table) and nothing else of a member.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hybridner.models.configuration_member import MemberConfig
from hybridner.models.configuration_spanner import SpannerConfig
from hybridner.models.crf import LinearChainCrf
from hybridner.models.span_scoring import LengthLogits, entity_log_odds, valid_spans
from hybridner.spans import RESOLVERS

#: Most spans looked at at once (8 MB).
_CELLS = 1_000_000


@dataclass(frozen=True)
class Proposals:
    """Spans of a batch that a member finds.

    Attributes:
        entities: [P, 4] row, start, end (exclusive), label number from 1: the member's own result.
        near_misses: [N, 3] row, start, end of spans that it nearly found and that are worth a look by the others.
    """

    entities: Tensor
    near_misses: Tensor


@dataclass(frozen=True)
class SpanScores:
    """What a member thinks of C given spans.

    Attributes:
        probs: [C, K + 1] double, P(label | span), O first.
        logits: [C, K + 1] double, the scores sᵀy they come from, or None where the member is no span scorer.
        can_score: [C] bool, False for spans that it cannot score (longer than L).
    """

    probs: Tensor
    logits: Tensor | None
    can_score: Tensor


class Decoder(nn.Module):
    """What every member can do with its logits."""

    #: Whether its span scores weigh the other members' votes; at most one member of a composite does.
    is_span_scorer: bool = False

    @property
    def reach(self) -> int:
        """The most characters of a span whose scores hang on no character outside of it; 0 where they hang on the whole text."""
        return 0

    def forgets(self, logits: Tensor) -> Tensor:
        """Whether what lies before a piece of a text has no say about what follows the piece, and the other way round.

        Args:
            logits: [J, G, D] of pieces of G characters.

        Returns:
            [J] bool.
        """
        return torch.ones(len(logits), dtype=torch.bool, device=logits.device)

    def propose(self, logits: Tensor, mask: Tensor, decoding: str = "flat", near_miss: float = 1.0) -> Proposals:
        """The member's own entities.

        Args:
            logits: [B, n, D] as the member's head gives them.
            mask: [B, n] bool, True for the first characters of each row.
            decoding: "flat" (no overlap) or "nested" (no crossing), for members that can do both.
            near_miss: spans whose best label is at least so many times as probable as O are near misses; above 0, at most 1.
        """
        raise NotImplementedError

    def score_spans(self, logits: Tensor, mask: Tensor, spans: Tensor) -> SpanScores:
        """The member's opinion of any spans [C, 3] (row, start, end); other arguments as in `propose`."""
        raise NotImplementedError


class TaggerDecoder(Decoder):
    """Viterbi and exact span marginals of a CRF over 2K + 1 BIO tags."""

    def __init__(self, config: MemberConfig) -> None:
        super().__init__()
        self.crf = LinearChainCrf(2 * len(config.labels) + 1)

    def forgets(self, logits: Tensor) -> Tensor:
        return self.crf.forgets(logits)

    def propose(self, logits: Tensor, mask: Tensor, decoding: str = "flat", near_miss: float = 1.0) -> Proposals:
        """Entities of the best tag sequence of each row, which never overlap; no near misses."""
        tags = self.crf.viterbi(logits, mask)
        begins = tags % 2 == 1
        follows = torch.zeros_like(begins)
        follows[:, :-1] = (tags[:, 1:] > 0) & (tags[:, 1:] % 2 == 0)
        row, start = begins.nonzero(as_tuple=True)
        # In a legal sequence firsts and lasts alternate, so the i-th first belongs to the i-th last.
        _, last = ((tags > 0) & ~follows).nonzero(as_tuple=True)
        return Proposals(torch.stack([row, start, last + 1, tags[row, start] // 2 + 1], dim=1), row.new_empty(0, 3))

    def score_spans(self, logits: Tensor, mask: Tensor, spans: Tensor) -> SpanScores:
        entity = self.crf.span_probs(logits, mask, spans)
        outside = (1.0 - entity.sum(1, keepdim=True)).clamp(min=0.0)
        can_score = torch.ones(len(spans), dtype=torch.bool, device=spans.device)
        return SpanScores(torch.cat([outside, entity], dim=1), None, can_score)


class SpannerDecoder(Decoder):
    """The most probable set of spans under SpanNER's scores (equations 3 to 5)."""

    is_span_scorer = True

    def __init__(self, config: SpannerConfig) -> None:
        super().__init__()
        self.length_logits = LengthLogits(config.max_span_length, config.length_embedding_size, len(config.labels) + 1)

    @property
    def reach(self) -> int:
        return self.length_logits.embedding.num_embeddings

    def propose(self, logits: Tensor, mask: Tensor, decoding: str = "flat", near_miss: float = 1.0) -> Proposals:
        likely, log_odds = self.likely_spans(logits, mask, near_miss)
        positive = log_odds > 0
        return Proposals(resolve_overlaps(likely[positive], log_odds[positive], decoding), likely[:, :3])

    @torch.no_grad()
    def likely_spans(self, logits: Tensor, mask: Tensor, floor: float) -> tuple[Tensor, Tensor]:
        """Spans whose best label other than O is at least `floor` times as probable as O.

        Args:
            logits: [B, n, 2(K + 1)] start and end logits.
            mask: [B, n] bool.
            floor: a positive number; 1 keeps what SpanNER itself would call an entity.

        Returns:
            [S, 4] row, start, end (exclusive), label number from 1; and [S] ln P(label) - ln P(O) in nats.
        """
        length_logits = self.length_logits().float()
        longest = len(length_logits)
        # A text of any length in bounded memory: so many first characters at a time.
        stride = max(1, _CELLS // (logits.size(0) * longest))
        found = []
        for offset in range(0, logits.size(1), stride):
            part = logits[:, offset : offset + stride + longest - 1].float()
            inside = mask[:, offset : offset + stride + longest - 1]
            log_odds = entity_log_odds(part, length_logits)[:, :stride]
            keep = (log_odds >= math.log(floor)) & valid_spans(inside, longest)[:, :stride]
            row, start, length = keep.nonzero(as_tuple=True)
            found.append(torch.stack([row, start + offset, start + offset + length + 1], dim=1))
        spans = torch.cat(found)
        scores, _ = self.span_logits(logits, spans)
        best, label = scores[:, 1:].max(1)
        return torch.cat([spans, label[:, None] + 1], dim=1), best - scores[:, 0]

    @torch.no_grad()
    def span_logits(self, logits: Tensor, spans: Tensor) -> tuple[Tensor, Tensor]:
        """sᵀy of any spans [C, 3] (row, start, end).

        Returns:
            [C, K + 1], all 0 where a span is longer than L; and [C] bool, False there.
        """
        row, start, end = spans.unbind(1)
        first, last = logits.float().chunk(2, dim=-1)
        length_logits = self.length_logits().float()
        can_score = end - start <= length_logits.size(0)
        length = (end - start - 1).clamp(max=length_logits.size(0) - 1)
        return (first[row, start] + last[row, end - 1] + length_logits[length]) * can_score[:, None], can_score

    def score_spans(self, logits: Tensor, mask: Tensor, spans: Tensor) -> SpanScores:
        raw, can_score = self.span_logits(logits, spans)
        raw = raw.double()
        return SpanScores(raw.softmax(1), raw, can_score)


def resolve_overlaps(spans: Tensor, log_odds: Tensor, decoding: str) -> Tensor:
    """The best set of each row out of [S, 4] spans with their log-odds [S]; see `hybridner.spans.resolve`."""
    rows = spans[:, 0].tolist()
    intervals = [(start, end) for start, end in spans[:, 1:3].tolist()]
    weights = log_odds.tolist()
    by_row: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        by_row.setdefault(row, []).append(index)
    chosen = [
        indices[position]
        for indices in by_row.values()
        for position in RESOLVERS[decoding]([intervals[i] for i in indices], [weights[i] for i in indices])
    ]
    return spans[chosen]
