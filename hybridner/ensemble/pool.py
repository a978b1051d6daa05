"""The pool: what all members say about a span, as one distribution over its labels.

Each member's probabilities are first made trustworthy, then averaged, and the average is corrected by how many members voted for
the label, by a weight of O, and by what single members know better than the average. Averaging comes first because members that
share an encoder err together: a product of their probabilities would count the same evidence several times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_softmax

from hybridner.ensemble.ballot import Ballot, Floats
from hybridner.errors import ModelError

#: Probabilities below these say no more than "impossible": those of a member, and those of the average.
_MIN_PROB, _MIN_MEAN = 1e-5, 1e-4
#: Coefficients that do not belong to a member: of the average, of the votes, of O.
SHARED = 3


@dataclass(frozen=True)
class PoolWeights:
    """Fitted numbers of the pool over m members; `hybridner.calibration.fit_pool` finds them.

    Attributes:
        calibration: [m, 2] a and c of each member: its calibrated distribution is softmax(a · ln P_m(l | s) + c · (l is O)). Two
            numbers also make a distribution of the bare votes of a member that has none, a dictionary or an LLM: how often its
            label is right, and how often its silence.
        coefficients: [3 + 2m] of the features, see `pool_features`.
        shift: nats taken from O when the pool decides. Probabilities are fitted to be true, and of true ones F1 wants entities
            that are less probable than O: those above half the F1 that can be reached (Lipton et al., 2014).

    Examples:
        >>> weights = PoolWeights.plain(members=4)
        >>> weights.probabilities(predictions.ballot).shape
        (120, 4)
    """

    calibration: Floats
    coefficients: Floats
    shift: float = 0.0

    @classmethod
    def plain(cls, members: int) -> PoolWeights:
        """Those of the members' plain average: where fitting starts, and what it is held to."""
        coefficients = np.zeros(SHARED + 2 * members)
        coefficients[0] = 1.0
        return cls(np.tile([1.0, 0.0], (members, 1)), coefficients)

    def resized(self, members: int) -> PoolWeights:
        """For so many members: the first ones keep their numbers, and new ones count as in the plain average."""
        plain, kept = PoolWeights.plain(members), min(members, len(self.calibration))
        calibration, coefficients = plain.calibration, plain.coefficients
        calibration[:kept] = self.calibration[:kept]
        coefficients[: SHARED + 2 * kept] = self.coefficients[: SHARED + 2 * kept]
        return PoolWeights(calibration, coefficients, self.shift)

    def scores(self, ballot: Ballot) -> Floats:
        """[C, K + 1] unnormalised ln P(label | span), without the shift."""
        return np.asarray(pool_features(ballot, self.calibration) @ self.coefficients)

    def probabilities(self, ballot: Ballot) -> Floats:
        """[C, K + 1] P(label | span), without the shift."""
        return np.asarray(np.exp(log_softmax(self.scores(ballot), axis=1)))

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "calibration": np.round(self.calibration, 6).tolist(),
            "coefficients": np.round(self.coefficients, 6).tolist(),
            "shift": self.shift,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PoolWeights:
        """Raises ModelError when it is not what `to_dict` gives."""
        try:
            calibration = np.asarray(data["calibration"], dtype=np.float64).reshape(-1, 2)
            coefficients = np.asarray(data["coefficients"], dtype=np.float64).reshape(SHARED + 2 * len(calibration))
            return cls(calibration, coefficients, float(data["shift"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"the fitted weights of the pool cannot be read ({error!r}); run `hybridner calibrate` again"
            ) from None


def calibrated(ballot: Ballot, calibration: Floats) -> Floats:
    """[m, C, K + 1] ln of each member's calibrated distribution, see `PoolWeights`."""
    scores = calibration[:, :1, None] * log_probabilities(ballot)
    scores[:, :, 0] += calibration[:, 1:]
    return np.asarray(log_softmax(scores, axis=2))


def log_probabilities(ballot: Ballot) -> Floats:
    """[m, C, K + 1] ln P_m(l | s), cut off."""
    return np.asarray(np.log(np.clip(ballot.probabilities, _MIN_PROB, 1.0)))


def pool_features(ballot: Ballot, calibration: Floats) -> Floats:
    """[C, K + 1, 3 + 2m] what the pool weighs for each label: ln of the calibrated members' average; ln(votes + ½); whether it is
    O; and per member ln of its calibrated probability, and whether it voted for the label. A member that cannot score the span
    adds nothing."""
    logs, can_score = calibrated(ballot, calibration), ballot.can_score
    total = np.einsum("mck,mc->ck", np.exp(logs), can_score)
    average = total / np.maximum(can_score.sum(axis=0), 1)[:, None]
    features = np.zeros((*ballot.logits.shape, SHARED + 2 * len(ballot.votes)))
    features[:, :, 0] = np.log(np.clip(average, _MIN_MEAN, 1.0))
    features[:, :, 1] = np.log(ballot.vote_counts + 0.5)
    features[:, 0, 2] = 1.0
    for number, votes in enumerate(ballot.votes):
        scored = np.flatnonzero(can_score[number])
        features[scored, :, SHARED + 2 * number] = logs[number, scored]
        features[scored, votes[scored], SHARED + 2 * number + 1] = 1.0
    return features
