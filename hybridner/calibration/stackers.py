"""Training the stackers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hybridner.ensemble import STACKERS, Predictions, TrainedStacker
from hybridner.ensemble.stacking import stacking_features
from hybridner.errors import ModelError
from hybridner.optional import require

#: A label with fewer candidates is left to the other strategies: five-fold calibration has nothing to go by.
_MIN_CANDIDATES = 5
#: An SVM's time grows with the square of its candidates; of more than so many it gets a draw.
_MOST_SVM_CANDIDATES = 8_000


def fit_stacker(kind: str, predictions: Predictions, seed: int = 42) -> TrainedStacker:
    """Train a stacker (section 2.3.2) on predictions that no member was trained for.

    Args:
        kind: "svm" (RBF kernel, Platt-scaled; on at most 8,000 candidates, drawn at random), "forest" or "xgboost".
        predictions: out of fold, or dev.
        seed: of bootstraps, splits and draws.

    Raises:
        ModelError: an unknown kind, a missing library, or candidates of one label only.

    Examples:
        >>> few = predictions.select_records(range(20))
        >>> fit_stacker("svm", few).log_probabilities(few.ballot).shape
        (40, 4)
    """
    if kind not in STACKERS:
        raise ModelError(f"there is no stacker {kind!r}; known: {', '.join(STACKERS)}")
    counts = np.bincount(predictions.gold, minlength=predictions.ballot.num_labels)
    kept = np.flatnonzero(counts[predictions.gold] >= _MIN_CANDIDATES)
    if kind == "svm" and len(kept) > _MOST_SVM_CANDIDATES:
        kept = np.random.default_rng(seed).choice(kept, _MOST_SVM_CANDIDATES, replace=False)
    classes, targets = np.unique(predictions.gold[kept], return_inverse=True)
    if len(classes) < 2:
        raise ModelError(
            f"a stacker needs at least two labels with {_MIN_CANDIDATES} candidates each; give more labelled sentences"
        )
    estimator = _new_estimators()[kind](seed)
    estimator.fit(stacking_features(predictions.ballot)[kept], targets)
    return TrainedStacker(kind, estimator, tuple(classes.tolist()), predictions.ballot.num_labels)


def _new_estimators() -> dict[str, Callable[[int], Any]]:
    """Makers of untrained estimators; each takes the seed."""
    require("skops.io", "stacking")
    require("sklearn", "stacking")
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
        return require("xgboost", "stacking").XGBClassifier(
            n_estimators=150, max_depth=4, learning_rate=0.1, subsample=0.8, colsample_bytree=0.5, random_state=seed, n_jobs=1
        )

    return {"svm": svm, "forest": forest, "xgboost": xgboost}
