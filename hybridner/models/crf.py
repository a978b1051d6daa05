"""Linear-chain conditional random field over BIO tags.

Transitions that break BIO (an I that follows neither its B nor its I, or starts a sentence) have probability zero, in training,
decoding and marginals alike. Forward and backward run in probability space, rescaled at every step and in double precision, so a
step is one matrix product; the gradient of the partition function is the marginals themselves (no autograd graph over time).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: A tag further than this many nats below the best tag of its position counts as this far: keeps every step above zero.
_FLOOR = -500.0
#: Differences in nats that count as none.
_SAME = 1e-6
#: So many characters are read before looking whether what lay before them is forgotten.
_CHECKED = 4


def illegal_transitions(num_tags: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Masks of what BIO forbids: transitions [num_tags, num_tags] (from, to) and first tags [num_tags]."""
    tag = torch.arange(num_tags, device=device)
    inside = (tag > 0) & (tag % 2 == 0)
    same_label = (tag[:, None] + 1) // 2 == (tag[None, :] + 1) // 2
    return inside[None, :] & ~same_label, inside


class LinearChainCrf(nn.Module):
    """CRF layer: start, transition and end scores over ``num_tags = 2K + 1`` BIO tags (section 2.3.1)."""

    def __init__(self, num_tags: int) -> None:
        super().__init__()
        self.num_tags = num_tags
        self.start = nn.Parameter(torch.zeros(num_tags))
        self.transitions = nn.Parameter(torch.zeros(num_tags, num_tags))
        self.end = nn.Parameter(torch.zeros(num_tags))

    def legal_scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """Start [T], transition [T, T] and end [T] scores in double precision, -inf where BIO forbids."""
        illegal, illegal_start = illegal_transitions(self.num_tags, self.start.device)
        start = self.start.double().masked_fill(illegal_start, -torch.inf)
        transitions = self.transitions.double().masked_fill(illegal, -torch.inf)
        return start, transitions, self.end.double()

    def log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """ln P(tags | emissions) of each sentence.

        Args:
            emissions: [B, n, T] scores of each tag at each character.
            tags: [B, n] tag numbers; a negative one (-100, as in transformers) is not known and summed over; values where
                `mask` is False are ignored.
            mask: [B, n] bool, True for the first length characters of each row; at least one per row.

        Returns:
            [B] natural logarithms, at most 0; -inf for a tag sequence that breaks BIO.
        """
        scores = self.legal_scores()
        emissions = emissions.double()
        unknown = mask & (tags < 0)
        if unknown.any():
            allowed = unknown[..., None] | (tags[..., None] == torch.arange(self.num_tags, device=tags.device)) | ~mask[..., None]
            score = _LogPartition.apply(emissions.masked_fill(~allowed, -torch.inf), mask, *scores)
        else:
            score = _sequence_score(emissions, tags.masked_fill(~mask, 0), mask, *scores)
        likelihood: Tensor = score - _LogPartition.apply(emissions, mask, *scores)
        return likelihood

    @torch.no_grad()
    def viterbi(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The most probable legal tag sequence: [B, n] tag numbers, O beyond each length. Arguments as in `log_likelihood`."""
        start, transitions, end = (score.float() for score in self.legal_scores())
        # Rows last: the maximum over tags then runs over contiguous memory, many rows at a time.
        scores = emissions.float().permute(1, 2, 0).clone(memory_format=torch.contiguous_format)
        active = mask.t().contiguous()
        full = active.all(1).tolist()
        scores[0] += start[:, None]
        sums = scores.new_empty(self.num_tags, *scores.shape[1:])
        best = torch.empty_like(scores[0])
        for position in range(1, len(scores)):
            torch.add(scores[position - 1, :, None], transitions[:, :, None], out=sums)
            scores[position] += torch.amax(sums, 0, out=best)
            if not full[position]:
                torch.where(active[position], scores[position], scores[position - 1], out=scores[position])
        tag = (scores[-1] + end[:, None]).argmax(0)
        path = [tag]
        # Where each step came from is worked out only for the one tag that is on the best path.
        for position in range(len(scores) - 1, 0, -1):
            before = (scores[position - 1] + transitions[:, tag]).argmax(0)
            tag = before if full[position] else torch.where(active[position], before, tag)
            path.append(tag)
        return torch.stack(path[::-1], dim=1).masked_fill(~mask, 0)

    @torch.no_grad()
    def marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """P(tag at each character | sentence): [B, n, T] double, rows sum to 1; 0 where `mask` is False."""
        forward = _forward(emissions.double(), mask, *self.legal_scores())
        return (forward.alpha * _backward(forward, mask)).transpose(0, 1) * mask[..., None]

    @torch.no_grad()
    def forgets(self, emissions: Tensor) -> Tensor:
        """Whether what lies before a piece of a sentence and what lies after it have nothing to do with each other.

        For every pair of tags around the piece there is the probability of all paths between them, and the best of these paths.
        Where each is a product of something that hangs on the tag before and something that hangs on the tag after, marginals
        and best sequence on either side are the same whatever is on the other; so it is once everything leads through one tag.

        Args:
            emissions: [J, G, T] of pieces of G characters.

        Returns:
            [J] bool; True as soon as it holds for the first characters of a piece.
        """
        _, transitions, _ = self.legal_scores()
        steps = emissions.double().transpose(0, 1)
        forgotten = torch.zeros(emissions.size(0), dtype=torch.bool, device=emissions.device)
        unsure = torch.arange(emissions.size(0), device=emissions.device)
        # [J, T, T] from the tag before the piece to the tag of the character: the sum of all paths, and the best one
        sums = best = transitions + steps[0][:, None]
        for position in range(1, len(steps)):
            current = steps[position][unsure][:, None]
            top = sums.amax(2, keepdim=True)
            sums = ((sums - top).exp() @ transitions.exp()).log() + top + current
            best = torch.stack([(best + into).amax(2) for into in transitions.t()], dim=2) + current
            if position % _CHECKED == 0 or position == len(steps) - 1:
                free = _is_product(sums) & _is_product(best)
                forgotten[unsure[free]] = True
                unsure, sums, best = unsure[~free], sums[~free], best[~free]
                if not len(unsure):
                    break
        return forgotten

    @torch.no_grad()
    def span_probs(self, emissions: Tensor, mask: Tensor, spans: Tensor) -> Tensor:
        """Exact P(characters [start, end) form one entity of label k | sentence) for any spans.

        By the constrained forward algorithm (Culotta and McCallum, 2004): B-k at start, I-k inside, and no I-k after.

        Args:
            emissions, mask: as in `log_likelihood`.
            spans: [C, 3] row, start, end (exclusive) of each span.

        Returns:
            [C, K] double.
        """
        forward = _forward(emissions.double(), mask, *self.legal_scores())
        beta = _backward(forward, mask)
        row, first, stop = spans.unbind(1)
        last = stop - 1
        begin, inside = slice(1, None, 2), slice(2, None, 2)
        # ln of the chance to stay inside from one character to the next, summed up along each sentence
        cum_log_stay = forward.scaled_emissions[..., inside].log().cumsum(0)
        within = cum_log_stay[last, row] - cum_log_stay[first, row]
        log_transitions = forward.transitions.log()
        enter = log_transitions[begin, inside].diagonal()
        stay = log_transitions[inside, inside].diagonal()
        length = (last - first)[:, None]
        within = within + torch.where(length > 0, enter + (length - 1) * stay, 0.0)
        probability = forward.alpha[first, row][:, begin] * within.exp()
        # beta at the last character covers every continuation; take away the one that would make the entity longer
        longer_possible = (stop < mask.sum(1)[row])[:, None]
        following = (stop).clamp(max=emissions.size(1) - 1)
        continue_prob = forward.scaled_emissions[following, row][:, inside] * beta[following, row][:, inside] * longer_possible
        continuing = torch.where(length > 0, stay.exp(), enter.exp()) * continue_prob
        exit_prob = torch.where(length > 0, beta[last, row][:, inside], beta[last, row][:, begin]) - continuing
        return (probability * exit_prob.clamp(min=0.0)).clamp(0.0, 1.0)


def _sequence_score(emissions: Tensor, tags: Tensor, mask: Tensor, start: Tensor, transitions: Tensor, end: Tensor) -> Tensor:
    """[B] the score of one tag sequence of each row."""
    last = mask.sum(1) - 1
    score = start[tags[:, 0]] + end[tags.gather(1, last[:, None]).squeeze(1)]
    score = score + (emissions.gather(2, tags[..., None]).squeeze(2) * mask).sum(1)
    return score + transitions[tags[:, :-1], tags[:, 1:]].masked_fill(~mask[:, 1:], 0.0).sum(1)


def _is_product(scores: Tensor) -> Tensor:
    """[J] whether all rows of each [T, T] are the same but for a constant, within what one millionth of a probability changes."""
    # Of what cannot be reached only that can be said; it is so from the second character on for no tag.
    rows = scores - scores[..., :1]
    reached = scores.isfinite().flatten(1).all(1)
    return reached & (rows.amax(1) - rows.amin(1) <= _SAME).all(1)


class _ForwardPass:
    """What the forward pass leaves for whoever needs more than the partition function (all time-major)."""

    def __init__(self, alpha: Tensor, scaled_emissions: Tensor, transitions: Tensor, end: Tensor, log_z: Tensor) -> None:
        self.alpha = alpha  # [n, B, T] P(tag at i, characters 0..i), each row scaled to sum 1
        # [n, B, T] exp(emission - its maximum), divided by what the row of alpha was divided by
        self.scaled_emissions = scaled_emissions
        self.transitions = transitions  # [T, T] exp of the scores, 0 where illegal
        self.end = end  # [T] exp of the scores
        self.log_z = log_z  # [B]


def _forward(emissions: Tensor, mask: Tensor, start: Tensor, transitions: Tensor, end: Tensor) -> _ForwardPass:
    steps = emissions.transpose(0, 1)
    active = mask.transpose(0, 1)
    top = steps.amax(2)
    probability = (steps - top[..., None]).clamp_(min=_FLOOR).exp_()
    chain, ending = transitions.exp(), end.exp()
    alpha, scale = torch.empty_like(probability), torch.ones_like(top)
    full = active.all(1).tolist()
    torch.mul(start.exp(), probability[0], out=alpha[0])
    alpha[0] /= torch.sum(alpha[0], 1, out=scale[0])[:, None]
    for position in range(1, steps.size(0)):
        current = torch.mm(alpha[position - 1], chain, out=alpha[position])
        current *= probability[position]
        current /= torch.sum(current, 1, out=scale[position])[:, None]
        if not full[position]:
            torch.where(active[position, :, None], current, alpha[position - 1], out=current)
            scale[position].masked_fill_(~active[position], 1.0)
    log_z = (scale.log() + top * active).sum(0) + (alpha[-1] @ ending).log()
    return _ForwardPass(alpha, probability.div_(scale[..., None]), chain, ending, log_z)


def _backward(forward: _ForwardPass, mask: Tensor) -> Tensor:
    """beta [n, B, T], scaled so that alpha * beta are the marginals."""
    active = mask.transpose(0, 1)
    beta = torch.empty_like(forward.alpha)
    ending = forward.end / (forward.alpha[-1] @ forward.end)[:, None]
    beta[-1] = ending
    chain = forward.transitions.t().contiguous()
    full = active.all(1).tolist()
    message = torch.empty_like(ending)
    for position in range(beta.size(0) - 2, -1, -1):
        torch.mul(forward.scaled_emissions[position + 1], beta[position + 1], out=message)
        torch.mm(message, chain, out=beta[position])
        if not full[position + 1]:
            torch.where(active[position + 1, :, None], beta[position], ending, out=beta[position])
    return beta


class _LogPartition(torch.autograd.Function):
    """ln Z with the marginals as its gradient."""

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, mask: Tensor, start: Tensor, transitions: Tensor, end: Tensor) -> Tensor:
        result = _forward(emissions, mask, start, transitions, end)
        ctx.result = result
        ctx.mask = mask
        return result.log_z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        result, mask = ctx.result, ctx.mask
        beta = _backward(result, mask)
        marginals = result.alpha * beta * gradient[:, None] * mask.transpose(0, 1)[..., None]
        message = result.scaled_emissions * beta * (gradient * mask.transpose(0, 1))[..., None]
        pairs = result.alpha[:-1].flatten(0, 1).t() @ message[1:].flatten(0, 1)
        # alpha at a row's end is copied along its padding, so the last position holds the last real one
        last = (result.alpha[-1] * beta[-1] * gradient[:, None]).sum(0)
        return marginals.transpose(0, 1), None, marginals[0].sum(0), pairs * result.transitions, last
