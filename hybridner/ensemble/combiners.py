"""Combining strategies: pure functions from a ballot to ln P(label | span), one interface for all.

Each returns [C, K + 1] natural logarithms of a distribution over the labels; the combined label of a span is the argmax. Those
that weigh members or were trained need `CombinerWeights`, which `hybridner calibrate` puts into a composite.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import log_softmax

from hybridner.ensemble.ballot import Ballot, Floats
from hybridner.ensemble.weights import CombinerWeights
from hybridner.errors import ModelError

Combiner = Callable[[Ballot, CombinerWeights | None], Floats]

#: Weights of SpanNER's probability and of the member's F1 in the released SpanNER combiner.
_PROBABILITY, _F1 = 0.8, 1.0
#: Far smaller than the smallest difference between two counts of votes.
_TIE = 1e-6


def score(ballot: Ballot, weights: CombinerWeights | None = None) -> Floats:
    """The paper's combiner (equations 4 and 6): P(l | s) ∝ votes(l) · exp(sᵀl), computed as softmax(sᵀl + ln votes(l))."""
    with np.errstate(divide="ignore"):
        return np.asarray(log_softmax(ballot.logits + np.log(ballot.vote_counts), axis=1))


def majority(ballot: Ballot, weights: CombinerWeights | None = None) -> Floats:
    """Majority voting, VM (section 3.2): P(l | s) = votes(l) / votes.

    Ties go to the label that is more frequent among candidates; without fitted priors to O, and among entity types to the one
    that the members find more probable on average.
    """
    if weights is not None:
        tie_break = np.broadcast_to(weights.priors, ballot.logits.shape)
    else:
        tie_break = ballot.mean_probabilities.copy()
        tie_break[:, 0] = 1.0
    return _normalized(ballot.vote_counts * (1.0 + _TIE * tie_break))


def f1(ballot: Ballot, weights: CombinerWeights | None = None) -> Floats:
    """Voting weighted by each member's entity F1, VOF1 (section 3.2)."""
    return _normalized(_votes_by_f1(ballot, _required(weights, "f1")))


def class_f1(ballot: Ballot, weights: CombinerWeights | None = None) -> Floats:
    """Voting weighted by each member's F1 on the label it votes for, VCF1 (section 3.2)."""
    return _normalized(ballot.weighted_votes(_required(weights, "class_f1").class_f1))


def score_f1(ballot: Ballot, weights: CombinerWeights | None = None) -> Floats:
    """The combiner of the released SpanNER code: each vote for l counts 0.8 · P(l | s) + 1.0 · F1 of its member, with F1 from
    predictions out of fold, not from the test set."""
    votes = _votes_by_f1(ballot, _required(weights, "score_f1"))
    probabilities = np.exp(log_softmax(ballot.logits, axis=1))
    return _normalized(_PROBABILITY * probabilities * ballot.vote_counts + _F1 * votes)


def mean(ballot: Ballot, weights: CombinerWeights | None = None) -> Floats:
    """The members' own probabilities averaged: a vote that says how sure it is. Not in the paper."""
    return np.asarray(np.log(np.clip(ballot.mean_probabilities, 1e-12, 1.0)))


def pool(ballot: Ballot, weights: CombinerWeights | None = None) -> Floats:
    """The members' calibrated probabilities averaged, corrected by votes, by O and by single members. Not in the paper.

    See `hybridner.ensemble.pool`. To decide, O is held back by `PoolWeights.shift`.
    """
    known = _required(weights, "pool").pool
    scores = known.scores(ballot)
    scores[:, 0] -= known.shift
    return np.asarray(log_softmax(scores, axis=1))


def _stacked(ballot: Ballot, weights: CombinerWeights | None = None, *, name: str) -> Floats:
    """Stacking (section 3.2): a classifier over votes, members' probabilities, length and agreement."""
    known = _required(weights, name).stackers
    if name not in known:
        raise ModelError(f"this composite has no {name!r} stacker; `hybridner calibrate --stacker {name}` fits one")
    return known[name].log_probabilities(ballot)


STACKERS = ("svm", "forest", "xgboost")
"""The stacking strategies."""

COMBINERS: dict[str, Combiner] = {
    "majority": majority,
    "f1": f1,
    "class_f1": class_f1,
    "score": score,
    "score_f1": score_f1,
    "mean": mean,
    "pool": pool,
    **{name: partial(_stacked, name=name) for name in STACKERS},
}
"""Combining strategies by the name users give them; each gives [C, K + 1] scores of a ballot's candidates."""
UNFITTED = ("score", "majority", "mean")
"""The strategies that work in any composite."""


def available_strategies(weights: CombinerWeights | None) -> tuple[str, ...]:
    """The strategies that work with these weights.

    Args:
        weights: what a composite's calibration fitted, or None.

    Returns:
        keys of `COMBINERS`.

    Examples:
        >>> available_strategies(None)
        ('score', 'majority', 'mean')
    """
    if weights is None:
        return UNFITTED
    return tuple(name for name in COMBINERS if name not in STACKERS or name in weights.stackers)


def _votes_by_f1(ballot: Ballot, weights: CombinerWeights) -> Floats:
    f1 = weights.f1[:, None]
    return ballot.weighted_votes(np.broadcast_to(f1, (len(f1), ballot.num_labels)))


def _required(weights: CombinerWeights | None, name: str) -> CombinerWeights:
    if weights is None:
        raise ModelError(
            f"the strategy {name!r} needs weights that are fitted on predictions; `hybridner calibrate` puts them into a "
            f"composite. Without them there are {', '.join(UNFITTED)}"
        )
    return weights


def _normalized(mass: Floats) -> Floats:
    """ln of each row divided by its sum; a row without any vote that weighs something is O."""
    total = mass.sum(axis=1, keepdims=True)
    silent = total[:, 0] <= 0
    if silent.any():
        mass = mass.copy()
        mass[silent, 0] = 1.0
        total = mass.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(mass / total))
