"""Stacking: a classifier that reads the whole ballot of a span and names its label. Saved without pickle.

scikit-learn and XGBoost are imported when a stacker is used: composites without one need neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np
from scipy.special import softmax

from hybridner.ensemble.ballot import ABSTAIN, Ballot, Floats
from hybridner.errors import ModelError
from hybridner.optional import require

#: A label that the classifier gives no chance at all keeps this much, so that its logarithm is finite.
_MIN_PROB = 1e-6
#: Types beyond scikit-learn's own that a saved stacker may hold; anything else in the file is refused.
_SKOPS_TYPES = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",
)


def stacking_features(ballot: Ballot) -> Floats:
    """[C, F] what a stacker sees of each span: every member's vote (one-hot) and probabilities, SpanNER's confidence, the
    members' mean probabilities, the share of the largest vote, and the length in characters."""
    size = ballot.num_labels
    one_hot = np.eye(size + 1)[np.where(ballot.votes == ABSTAIN, size, ballot.votes)][..., :size]
    members, count = ballot.votes.shape
    length = (ballot.spans[:, 2] - ballot.spans[:, 1])[:, None].astype(np.float64)
    confidence = softmax(ballot.logits, axis=1).max(axis=1, keepdims=True)
    agreement = ballot.vote_counts.max(axis=1, keepdims=True) / members

    def by_candidate(values: Floats) -> Floats:
        return np.asarray(values.transpose(1, 0, 2).reshape(count, members * size))

    return np.concatenate(
        [by_candidate(one_hot), by_candidate(ballot.probabilities), ballot.mean_probabilities, confidence, agreement, length],
        axis=1,
    )


@dataclass(frozen=True)
class TrainedStacker:
    """A classifier over `stacking_features`.

    Attributes:
        kind: one of `STACKERS`.
        estimator: with scikit-learn's `predict_proba`.
        classes: the label number of each of its columns.
        num_labels: K + 1.

    Examples:
        >>> from hybridner.calibration import fit_stacker
        >>> stacker = fit_stacker("svm", predictions.select_records(range(20)))
        >>> stacker.log_probabilities(predictions.ballot).shape
        (120, 4)
    """

    kind: str
    estimator: Any
    classes: tuple[int, ...]
    num_labels: int

    def log_probabilities(self, ballot: Ballot) -> Floats:
        """[C, K + 1] ln P(label | what the members say)."""
        probabilities = np.zeros_like(ballot.logits)
        if len(probabilities):
            probabilities[:, list(self.classes)] = self.estimator.predict_proba(stacking_features(ballot))
        probabilities = np.clip(probabilities, _MIN_PROB, 1.0)
        return np.asarray(np.log(probabilities / probabilities.sum(axis=1, keepdims=True)))

    def to_stored(self) -> StoredStacker:
        """The same as the bytes of a file: a skops file, or XGBoost's JSON."""
        if self.kind == "xgboost":
            data = bytes(self.estimator.get_booster().save_raw("json"))
        else:
            data = bytes(require("skops.io", "stacking").dumps(self.estimator, compression=ZIP_DEFLATED))
        return StoredStacker(self.kind, data, self.classes, self.num_labels)


@dataclass(frozen=True)
class StoredStacker:
    """A stacker as it lies in a file, read when it is first used: a composite loads where its stackers' libraries are missing.

    Attributes:
        kind, classes, num_labels: as in `TrainedStacker`.
        data: content of the file.
    """

    kind: str
    data: bytes
    classes: tuple[int, ...]
    num_labels: int

    @cached_property
    def trained(self) -> TrainedStacker:
        return stacker_from_bytes(self.kind, self.data, self.classes, self.num_labels)

    def to_stored(self) -> StoredStacker:
        return self

    def log_probabilities(self, ballot: Ballot) -> Floats:
        """As `TrainedStacker.log_probabilities`; raises ModelError for a missing library or a damaged file."""
        return self.trained.log_probabilities(ballot)


#: Name of the file of each stacker, in a composite's folder.
STACKER_FILES = {"svm": "stacker-svm.skops", "forest": "stacker-forest.skops", "xgboost": "stacker-xgboost.json"}


def stacker_from_bytes(kind: str, data: bytes, classes: tuple[int, ...], num_labels: int) -> TrainedStacker:
    """Read what `TrainedStacker.to_stored` holds.

    Args:
        kind: one of `STACKERS`.
        data: the bytes.
        classes: the label number of each column of the classifier.
        num_labels: K + 1.

    Raises:
        ModelError: a missing library, or a file that is damaged or holds what a stacker never holds.

    Examples:
        >>> from hybridner.calibration import fit_stacker
        >>> stored = fit_stacker("svm", predictions.select_records(range(20))).to_stored()
        >>> stacker_from_bytes(stored.kind, stored.data, stored.classes, stored.num_labels).num_labels
        4
    """
    if kind == "xgboost":
        estimator = require("xgboost", "stacking").XGBClassifier()
        try:
            estimator.load_model(bytearray(data))
        except require("xgboost", "stacking").core.XGBoostError as error:
            raise ModelError(f"the file of the stacker {kind!r} is damaged: {error}") from error
        return TrainedStacker(kind, estimator, classes, num_labels)
    skops = require("skops.io", "stacking")
    try:
        strange = sorted(set(skops.get_untrusted_types(data=data)) - set(_SKOPS_TYPES))
        if strange:
            raise ModelError(
                f"the file of the stacker {kind!r} holds {', '.join(strange)}, which no stacker needs; it was not loaded"
            )
        estimator = skops.loads(data, trusted=list(_SKOPS_TYPES))
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"the file of the stacker {kind!r} is damaged: {error}") from error
    return TrainedStacker(kind, estimator, classes, num_labels)
