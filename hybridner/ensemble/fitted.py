"""What combining strategies learn from out-of-fold (or dev) predictions, as numbers that travel in the composite's
configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from scipy.optimize import minimize

from hybridner.ensemble.ballot import ABSTAIN, Ballot, Floats, log_softmax
from hybridner.ensemble.predictions import Predictions
from hybridner.errors import ModelError
from hybridner.spans import NON_ENTITY, RESOLVERS

#: A member's F1 on a label counts fully once the label has far more gold entities than this; below, its overall F1 stands in.
_RARE = 10.0
#: Probabilities below this say no more than "impossible".
_LEAST = 1e-5
#: Shifts tried for the pool, in nats.
_SHIFTS = tuple(step / 4 for step in range(9))
#: How strongly the pool's coefficients are held to their start, in nats per squared unit.
_RIDGE = 1.0


class Stacker(Protocol):
    """A trained classifier over the ballot; see `hybridner.ensemble.stacking`."""

    def log_probabilities(self, ballot: Ballot) -> Floats:
        """[C, K + 1] ln P(label | what the members say)."""


@dataclass(frozen=True)
class Fitted:
    """Everything fitted that a strategy may need, over m members and K entity types.

    Attributes:
        priors: [K + 1] share of each label among candidates.
        f1: [m] each member's entity F1.
        class_f1: [m, K + 1] each member's F1 on each label, drawn towards its overall F1 where the label is rare; O
            counts as overall.
        pool: [2m + 1] coefficients of the log-linear pool; see `pool_features`.
        pool_shift: nats taken from O when the pool decides. Probabilities are fitted to be true, and of true ones F1 wants
            entities that are less probable than O: those above half the F1 that can be reached (Lipton et al., 2014).
        stackers: trained stackers by the name of their strategy.
    """

    priors: Floats
    f1: Floats
    class_f1: Floats
    pool: Floats
    pool_shift: float = 0.0
    stackers: Mapping[str, Stacker] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """All but the stackers, as JSON can hold it."""
        return {name: np.round(getattr(self, name), 6).tolist() for name in _NUMBERS} | {"pool_shift": self.pool_shift}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], stackers: Mapping[str, Stacker] | None = None) -> Fitted:
        """Raises ModelError when a part is missing."""
        missing = [name for name in _NUMBERS if name not in data]
        if missing:
            raise ModelError(f"the fitted weights of this composite lack {', '.join(missing)}; run `hybridner calibrate` again")
        numbers = {name: np.asarray(data[name], dtype=np.float64) for name in _NUMBERS}
        return cls(**numbers, pool_shift=float(data.get("pool_shift", 0.0)), stackers=stackers or {})


_NUMBERS = ("priors", "f1", "class_f1", "pool")


def fit(predictions: Predictions, decoding: str = "flat") -> Fitted:
    """Fit all weights on predictions that no member was trained for (out of fold, or dev).

    Args:
        decoding: "flat" or "nested": how entities will be chosen.
    """
    ballot, gold = predictions.ballot, predictions.gold
    counts = np.bincount(gold, minlength=ballot.num_labels).astype(np.float64)
    overall, per_class = member_f1(predictions)
    coefficients = _fit_pool(ballot, gold)
    shift = _fit_shift(pool_features(ballot) @ coefficients, predictions, decoding)
    return Fitted((counts + 1) / (counts + 1).sum(), overall, per_class, coefficients, shift)


def member_f1(predictions: Predictions) -> tuple[Floats, Floats]:
    """Each member's entity F1 [m], and by label [m, K + 1], smoothed; index 0 (O) holds the overall value.

    F1 of label c is (n·F1_c + α·F1) / (n + α) with n its gold entities and α = 10, so that a label that hardly occurs gets the
    member's overall F1.
    """
    ballot, size = predictions.ballot, predictions.ballot.num_labels
    numbers = {name: index for index, name in enumerate(predictions.labels)}
    support = np.zeros(size)
    for record in predictions.records:
        for span in record.entities:
            support[numbers[span.label]] += 1
    overall, per_class = [], []
    for votes in ballot.votes:
        proposed = np.bincount(votes[votes > 0], minlength=size).astype(np.float64)
        correct = np.bincount(votes[(votes > 0) & (votes == predictions.gold)], minlength=size).astype(np.float64)
        total = _ratio(2 * correct.sum(), proposed.sum() + support.sum())
        by_class = _ratio(2 * correct, proposed + support)
        smoothed = (support * by_class + _RARE * total) / (support + _RARE)
        smoothed[0] = total
        overall.append(total)
        per_class.append(smoothed)
    return np.array(overall).reshape(-1), np.array(per_class)


def _ratio(part: Any, whole: Any) -> Any:
    return np.divide(part, whole, out=np.zeros_like(np.asarray(whole, dtype=np.float64)), where=np.asarray(whole) > 0)


def pool_features(ballot: Ballot) -> Floats:
    """[C, K + 1, 2m + 1] what the log-linear pool weighs: per member ln P(label | span) and whether it voted for the label;
    whether the label is O. A member that cannot judge the span adds nothing."""
    features = np.zeros((*ballot.logits.shape, 2 * len(ballot.votes) + 1))
    for number, (votes, probabilities) in enumerate(zip(ballot.votes, ballot.probabilities, strict=True)):
        judged = np.flatnonzero(votes != ABSTAIN)
        features[judged, :, 2 * number] = np.log(np.clip(probabilities[judged], _LEAST, 1.0))
        features[judged, votes[judged], 2 * number + 1] = 1.0
    features[:, 0, -1] = 1.0
    return features


def _fit_pool(ballot: Ballot, gold: np.ndarray) -> Floats:
    """Coefficients of the largest penalised likelihood: a convex problem. Held to the plain geometric mean of the members."""
    features = pool_features(ballot)
    members = len(ballot.votes)
    start = np.zeros(features.shape[2])
    start[0:-1:2] = 1.0 / members
    chosen = features[np.arange(len(gold)), gold]

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = features @ weights
        top = scores.max(axis=1, keepdims=True)
        exponentials = np.exp(scores - top)
        total = exponentials.sum(axis=1, keepdims=True)
        value = (top + np.log(total)).sum() - (chosen @ weights).sum() + _RIDGE * ((weights - start) ** 2).sum()
        expected = np.einsum("ck,ckp->p", exponentials / total, features)
        return float(value), expected - chosen.sum(axis=0) + 2 * _RIDGE * (weights - start)

    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x)


def _fit_shift(scores: Floats, predictions: Predictions, decoding: str) -> float:
    """The shift of the highest expected F1 after decoding; of equal ones the smallest.

    Expected by the pool's own probabilities: counting what is really right would follow the chance of a few hundred sentences.
    """
    ballot = predictions.ballot
    spans = [(start, end) for _, start, end in ballot.spans.tolist()]
    borders = np.searchsorted(ballot.spans[:, 0], np.arange(len(predictions) + 1)).tolist()
    label = scores[:, 1:].argmax(axis=1) + 1
    odds = np.take_along_axis(scores, label[:, None], axis=1)[:, 0] - scores[:, 0]
    probability = np.exp(log_softmax(scores))[np.arange(len(scores)), label]
    total = sum(len(record.entities) for record in predictions.records)

    def f1(shift: float) -> float:
        weights = (odds + shift).tolist()
        chosen = [
            low + index for low, high in pairwise(borders) for index in RESOLVERS[decoding](spans[low:high], weights[low:high])
        ]
        return float(_ratio(2 * probability[chosen].sum(), len(chosen) + total))

    return max(_SHIFTS, key=f1)


def refuse_other_shape(fitted: Fitted, members: int, labels: int) -> None:
    """Raise a ModelError when the weights were fitted for other members or labels."""
    if fitted.class_f1.shape != (members, labels):
        raise ModelError(
            f"the fitted weights are for {len(fitted.f1)} members and {len(fitted.priors)} labels (with {NON_ENTITY}), the "
            f"composite has {members} and {labels}; run `hybridner calibrate` again"
        )
