"""How probable it is that an occurrence of a term is an entity of its label: logistic regression with few coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit

from hybridner.errors import ModelError
from hybridner.gazetteer.hits import Hits, Integers

Floats = NDArray[np.float64]

#: What is assumed of every hit before anything is fitted: more often right than wrong, and easily outvoted.
ASSUMED = 0.6
#: How strongly coefficients are held to 0, in nats per squared unit; a label with few hits stays near the others.
_RIDGE = 1.0
#: So many wrong hits of a label, with true labels as of all wrong hits, are added to those that were seen.
_PRIOR_WRONG = 5.0
#: Beside the labels: the constant, `_describe`.
_NUM_SHARED = 6
#: No probability is nearer to 0 or 1 than this.
_MIN = 1e-3


@dataclass(frozen=True)
class Reliability:
    """P(true label | hit) over K + 1 labels.

    Attributes:
        coefficients: [6 + K] of the logistic regression: the constant, the share of the term's occurrences that bore the label
            (in log-odds), ln(1 + count), whether a list has it, whether a longer hit holds it, whether it is one character; and
            a correction for each label.
        wrong: [K, K + 1] for hits of each label that are not of that label, P(true label), O first.
        hits: how many it was fitted on; 0 for what is assumed.

    Examples:
        >>> from hybridner.data.terms import Term
        >>> hits = Gazetteer.from_terms([Term("俄罗斯", "State")], ["State"]).find([text])
        >>> places, distributions = Reliability.assumed(num_labels=1).distributions(hits)
        >>> places.tolist(), distributions.round(2).tolist()
        ([[0, 0, 3]], [[0.4, 0.6]])
    """

    coefficients: Floats
    wrong: Floats
    hits: int = 0

    @property
    def num_labels(self) -> int:
        """K."""
        return len(self.wrong)

    @classmethod
    def assumed(cls, num_labels: int) -> Reliability:
        """Before anything is fitted: every hit is right with probability 0.6, else no entity."""
        coefficients = np.zeros(_NUM_SHARED + num_labels)
        coefficients[0] = logit(ASSUMED)
        wrong = np.zeros((num_labels, num_labels + 1))
        wrong[:, 0] = 1.0
        return cls(coefficients, wrong)

    @classmethod
    def fit(cls, hits: Hits, gold: Integers, num_labels: int) -> Reliability:
        """Fit on hits in texts that the terms do not come from (see `Hits.without_own`), by penalised likelihood.

        Args:
            hits: H occurrences.
            gold: [H] number of the true label of each place, 0 for no entity.
            num_labels: K.
        """
        if not len(hits):
            return cls.assumed(num_labels)
        features = _features(hits, num_labels)
        right = gold == hits.labels
        sign = np.where(right, 1.0, -1.0)
        start = cls.assumed(num_labels).coefficients

        def loss(weights: Floats) -> tuple[float, Floats]:
            margin = sign * (features @ weights)
            away = weights - start
            gradient = -(sign * expit(-margin)) @ features + 2 * _RIDGE * away
            return float(-log_expit(margin).sum() + _RIDGE * (away**2).sum()), gradient

        coefficients = minimize(loss, start, jac=True, method="L-BFGS-B").x
        counts = np.zeros((num_labels, num_labels + 1))
        np.add.at(counts, (hits.labels[~right] - 1, gold[~right]), 1.0)
        overall = counts.sum(axis=0) + np.eye(num_labels + 1)[0]
        wrong = counts + _PRIOR_WRONG * overall / overall.sum()
        wrong[np.arange(num_labels), np.arange(1, num_labels + 1)] = 0.0
        return cls(np.asarray(coefficients), wrong / wrong.sum(axis=1, keepdims=True), len(hits))

    def chances(self, hits: Hits) -> Floats:
        """[H] P(the true label is the hit's own)."""
        return np.asarray(np.clip(expit(_features(hits, self.num_labels) @ self.coefficients), _MIN, 1 - _MIN))

    def distributions(self, hits: Hits) -> tuple[Integers, Floats]:
        """The S different places of the hits, [S, 3] and sorted, and P(true label | all hits there), [S, K + 1].

        A place whose term has several labels gives each its chance; what they leave goes to the labels that the most probable one
        is taken for when it is wrong.
        """
        chances = self.chances(hits)
        places, which = np.unique(hits.places, axis=0, return_inverse=True)
        which = which.reshape(-1)
        probs = np.zeros((len(places), self.num_labels + 1))
        np.add.at(probs, (which, hits.labels), chances)
        total = probs.sum(axis=1, keepdims=True)
        probs *= np.minimum(1.0, (1 - _MIN) / np.maximum(total, _MIN))
        others = self.wrong[np.maximum(probs[:, 1:].argmax(axis=1), 0)] * (probs == 0)
        others[:, 0] += _MIN
        rest = 1.0 - probs.sum(axis=1, keepdims=True)
        return places.reshape(-1, 3), probs + rest * others / others.sum(axis=1, keepdims=True)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"coefficients": self.coefficients.tolist(), "wrong": self.wrong.tolist(), "hits": self.hits}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Reliability:
        """From what `to_dict` gave.

        Raises:
            ModelError: numbers that are none, or do not go together.
        """
        coefficients, wrong = (np.asarray(data[name], dtype=np.float64) for name in ("coefficients", "wrong"))
        size = len(wrong)
        if wrong.shape != (size, size + 1) or coefficients.shape != (_NUM_SHARED + size,):
            raise ModelError("the gazetteer's reliability is damaged: its numbers do not go together")
        if not (np.isfinite(coefficients).all() and np.isfinite(wrong).all() and (wrong >= 0).all()):
            raise ModelError("the gazetteer's reliability is damaged: it holds what is no probability")
        return cls(coefficients, wrong, int(data["hits"]))


def _features(hits: Hits, num_labels: int) -> Floats:
    share = (hits.counts + 0.5) / (np.maximum(hits.seen, hits.counts) + 1.0)
    lengths = hits.places[:, 2] - hits.places[:, 1]
    shared = np.stack(
        [
            np.ones(len(hits)),
            np.where(hits.counts > 0, logit(share), 0.0),
            np.log1p(hits.counts),
            hits.listed,
            hits.inside(),
            lengths == 1,
        ],
        axis=1,
    )
    return np.concatenate([shared, np.eye(num_labels)[hits.labels - 1]], axis=1)
