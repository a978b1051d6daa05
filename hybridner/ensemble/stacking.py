"""Stacking: a classifier that reads the whole ballot of a span and names its label. Saved without pickle.

scikit-learn and XGBoost are imported when a stacker is fitted or used: composites without one need neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np

from hybridner.ensemble.ballot import ABSTAIN, Ballot, Floats
from hybridner.ensemble.combiners import STACKERS
from hybridner.ensemble.predictions import Predictions
from hybridner.errors import ModelError

#: A label that the classifier gives no chance at all keeps this much, so that its logarithm is finite.
_LEAST = 1e-6
#: A label with fewer candidates is left to the other strategies: five-fold calibration has nothing to go by.
_FEWEST = 5
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
    confidence = np.exp(ballot.logits - ballot.logits.max(axis=1, keepdims=True))
    confidence = 1.0 / confidence.sum(axis=1, keepdims=True)
    agreement = ballot.vote_counts.max(axis=1, keepdims=True) / members

    def by_candidate(values: Floats) -> Floats:
        return values.transpose(1, 0, 2).reshape(count, members * size)

    return np.concatenate(
        [by_candidate(one_hot), by_candidate(ballot.probabilities), ballot.average, confidence, agreement, length], axis=1
    )


@dataclass(frozen=True)
class TrainedStacker:
    """A classifier over `stacking_features`.

    Attributes:
        kind: one of `STACKERS`.
        estimator: with scikit-learn's `predict_proba`.
        classes: the label number of each of its columns.
        num_labels: K + 1.
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
        probabilities = np.clip(probabilities, _LEAST, 1.0)
        return np.asarray(np.log(probabilities / probabilities.sum(axis=1, keepdims=True)))

    def stored(self) -> StoredStacker:
        """The same as the bytes of a file: a skops file, or XGBoost's JSON."""
        if self.kind == "xgboost":
            data = bytes(self.estimator.get_booster().save_raw("json"))
        else:
            data = bytes(_skops().dumps(self.estimator, compression=ZIP_DEFLATED))
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

    def log_probabilities(self, ballot: Ballot) -> Floats:
        """As `TrainedStacker.log_probabilities`; raises ModelError for a missing library or a damaged file."""
        return self.trained.log_probabilities(ballot)


#: Name of the file of each stacker, in a composite's folder.
STACKER_FILES = {"svm": "stacker-svm.skops", "forest": "stacker-forest.skops", "xgboost": "stacker-xgboost.json"}


def fit_stacker(kind: str, predictions: Predictions, seed: int = 42) -> TrainedStacker:
    """Train a stacker on predictions that no member was trained for.

    Args:
        kind: "svm" (RBF kernel, Platt-scaled), "forest" or "xgboost".
        predictions: out of fold, or dev.
        seed: of bootstraps and splits.

    Raises:
        ModelError: an unknown kind, a missing library, or candidates of one label only.
    """
    if kind not in STACKERS:
        raise ModelError(f"there is no stacker {kind!r}; known: {', '.join(STACKERS)}")
    counts = np.bincount(predictions.gold, minlength=predictions.ballot.num_labels)
    kept = counts[predictions.gold] >= _FEWEST
    classes, targets = np.unique(predictions.gold[kept], return_inverse=True)
    if len(classes) < 2:
        raise ModelError(f"a stacker needs at least two labels with {_FEWEST} candidates each; give more labelled sentences")
    estimator = _new_estimators()[kind](seed)
    estimator.fit(stacking_features(predictions.ballot)[kept], targets)
    return TrainedStacker(kind, estimator, tuple(classes.tolist()), predictions.ballot.num_labels)


def stacker_from_bytes(kind: str, data: bytes, classes: tuple[int, ...], num_labels: int) -> TrainedStacker:
    """Read what `TrainedStacker.stored` holds.

    Raises:
        ModelError: a missing library, or a file that is damaged or holds what a stacker never holds.
    """
    if kind == "xgboost":
        estimator = _xgboost().XGBClassifier()
        try:
            estimator.load_model(bytearray(data))
        except _xgboost().core.XGBoostError as error:
            raise ModelError(f"the file of the stacker {kind!r} is damaged: {error}") from error
        return TrainedStacker(kind, estimator, classes, num_labels)
    skops = _skops()
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


def _new_estimators() -> dict[str, Callable[[int], Any]]:
    """Makers of untrained estimators; each takes the seed."""
    _skops()
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    def svm(seed: int) -> Any:
        return CalibratedClassifierCV(make_pipeline(StandardScaler(), SVC(random_state=seed)), ensemble=False)

    def forest(seed: int) -> Any:
        return RandomForestClassifier(200, min_samples_leaf=2, random_state=seed, n_jobs=1)

    def xgboost(seed: int) -> Any:
        return _xgboost().XGBClassifier(
            n_estimators=150, max_depth=4, learning_rate=0.1, subsample=0.8, colsample_bytree=0.5, random_state=seed, n_jobs=1
        )

    return {"svm": svm, "forest": forest, "xgboost": xgboost}


def _skops() -> Any:
    try:
        import skops.io
    except ModuleNotFoundError as error:
        raise ModelError("stackers need scikit-learn and skops: pip install 'hybridner[stacking]'") from error
    return skops.io


def _xgboost() -> Any:
    try:
        import xgboost
    except ModuleNotFoundError as error:
        raise ModelError("this stacker needs XGBoost: pip install 'hybridner[stacking]'") from error
    return xgboost
