"""Scores of foreignness compared, all fitted on texts alone. Layers are chosen on training parts, figures are of test parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.linalg import norm
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_curve

from benchmarks.unknown_texts.features import TextFeatures
from benchmarks.unknown_texts.found import FoundText
from benchmarks.unknown_texts.reading import Readings
from benchmarks.unknown_texts.texts import FOREIGN
from hybridner.calibration.logistic import fit_logistic
from hybridner.calibration.ood import fit_direction
from hybridner.calibration.reliability import detection
from hybridner.ensemble.ballot import Floats
from hybridner.ensemble.ood import conformal_score

#: Larger for what is less typical.
Score = Callable[[TextFeatures], Floats]
SETS = (*FOREIGN, "draft")
_NEIGHBOURS = 5
_CAUGHT = 0.95
#: In nats for each text.
_RIDGE = 0.05


def mahalanobis(known: Floats, layer: int) -> Score:
    """Distance to known texts under their covariance, shrunk after Ledoit and Wolf (Lee et al., 2018)."""
    fitted = LedoitWolf().fit(known)

    def score(features: TextFeatures) -> Floats:
        apart = features.states[:, layer] - fitted.location_
        return np.asarray(((apart @ fitted.precision_) * apart).sum(axis=1))

    return score


def relative_mahalanobis(known: Floats, background: Floats, layer: int) -> Score:
    """The distance to known texts less that to a background of all kinds (Ren et al., 2021)."""
    near, far = mahalanobis(known, layer), mahalanobis(background, layer)
    return lambda features: near(features) - far(features)


def nearest_neighbours(known: Floats, background: Floats, layer: int) -> Score:
    """Minus the mean cosine with the five nearest known texts, from the middle of the background (Sun et al., 2022)."""
    middle = background.mean(axis=0)

    def directions(states: Floats) -> Floats:
        apart = states - middle
        return np.asarray(apart / norm(apart, axis=1, keepdims=True))

    kept = directions(known)
    return lambda features: -np.sort(directions(features.states[:, layer]) @ kept.T, axis=1)[:, -_NEIGHBOURS:].mean(axis=1)


def logistic(known: Floats, background: Floats, layer: int) -> Score:
    """Log-odds of a logistic regression between known texts and a background, both of the same weight."""
    is_other = np.arange(len(known) + len(background)) >= len(known)
    importance = np.where(is_other, 0.5 / len(background), 0.5 / len(known))
    weights, _ = fit_logistic(np.concatenate([known, background]), is_other, importance, _RIDGE)
    return lambda features: features.states[:, layer] @ weights


def discriminant(known: Floats, background: Floats, nonsense: Floats, layer: int) -> Score:
    """The package's own: along the direction from known texts to others, see `fit_direction`."""
    direction = fit_direction(known, background, nonsense)
    return lambda features: features.states[:, layer] @ direction


def separation(inside: Floats, outside: Floats) -> dict[str, float]:
    """How well a score tells foreign texts from known ones: AUROC, AUPR, and the share of known texts that are taken for foreign
    where 95 % of the foreign are caught."""
    values = np.concatenate([inside, outside])
    is_foreign = np.arange(len(values)) >= len(inside)
    found = detection(values, is_foreign)
    false, caught, _ = roc_curve(is_foreign, values)
    false_at = float(false[np.argmax(caught >= _CAUGHT)])
    return {"auroc": round(found.auroc, 4), "aupr": round(found.aupr, 4), "false alarms": round(false_at, 4)}


def figures(values: Mapping[str, Floats]) -> dict[str, Any]:
    """What a score's values say on each set; the level beyond which texts are foreign is set by the validation texts.

    Args:
        values: of the texts "known-validation", "known-test", and "SET-train" (may be missing) and "SET-test" of each set.
    """
    inside, level = values["known-test"], np.sort(values["known-validation"])
    found: dict[str, Any] = {"known texts beyond 0.95": _beyond(inside, level)}
    for name in SETS:
        outside = values[f"{name}-test"]
        found[name] = {"n": len(outside), **separation(inside, outside), "beyond 0.95": _beyond(outside, level)}
        if f"{name}-train" in values:
            found[name]["auroc on train"] = separation(level, values[f"{name}-train"])["auroc"]
    return found


def _beyond(values: Floats, level: Floats) -> float:
    """The share of the values whose rank among those of held-out known texts, ascending, is above 0.95."""
    return round(float((conformal_score(values, level) > _CAUGHT).mean()), 4)


def all_scores(features: Mapping[str, TextFeatures]) -> dict[str, Score]:
    """All that are fitted on known texts and a background."""
    known, general = features["known-train"].states, features["general"].states
    built_in, nonsense = features["built-in"].states, features["nonsense"].states
    scores: dict[str, Score] = {}
    for layer in range(known.shape[1]):
        scores[f"Mahalanobis, layer {layer}"] = mahalanobis(known[:, layer], layer)
    for layer in range(known.shape[1]):
        scores[f"relative Mahalanobis, layer {layer}"] = relative_mahalanobis(known[:, layer], general[:, layer], layer)
    for layer in range(known.shape[1]):
        scores[f"nearest neighbours, layer {layer}"] = nearest_neighbours(known[:, layer], general[:, layer], layer)
    for layer in range(known.shape[1]):
        other = np.concatenate([general[:, layer], nonsense[:, layer]])
        scores[f"logistic regression, layer {layer}"] = logistic(known[:, layer], other, layer)
    for layer in range(known.shape[1]):
        inside, outside, senseless = (part[:, layer] for part in (known, general, nonsense))
        scores[f"discriminant, layer {layer}"] = discriminant(inside, outside, senseless, layer)
    scores["discriminant, built-in background"] = discriminant(known[:, -1], built_in[:, -1], nonsense[:, -1], -1)
    scores["energy of SpanNER"] = lambda found: found.energy
    scores["unknown characters"] = lambda found: found.unknown
    return scores


def measure(readings: Readings) -> dict[str, Any]:
    """All scores on all sets: what is fitted on texts alone, what the members say, and `ood_score` as it is shipped."""
    parts = [f"{name}-{part}" for name in SETS for part in ("train", "test")]
    names = ["known-train", "known-validation", "known-test", "general", "built-in", "nonsense", *parts]
    features = {name: readings.features(name) for name in names}
    scored = ["known-validation", "known-test", *parts]
    found = {name: figures({part: score(features[part]) for part in scored}) for name, score in all_scores(features).items()}
    found |= _with_the_draft(features)
    tests = [name for name in scored if not name.endswith("-train")]
    read = {name: readings.found(name) for name in tests}
    for name, value in (("mean uncertainty", "uncertainty"), ("members' disagreement", "disagreement")):
        means = {part: np.array([_mean(text, value) for text in texts]) for part, texts in read.items()}
        found[name] = figures(means)
    found["ood_score of the bundled model"] = figures(
        {part: np.array([text.ood_score for text in texts]) for part, texts in read.items()}
    )
    return {"texts": {name: len(features[name]) for name in names}, "scores": found}


def _with_the_draft(features: Mapping[str, TextFeatures]) -> dict[str, Any]:
    """The discriminant where two thirds of the draft's training documents are among the known texts, without their labels, and
    the others among the held-out ones."""
    draft = features["draft-train"].states[:, -1]
    is_known = np.arange(len(draft)) % 3 > 0
    known = np.concatenate([features["known-train"].states[:, -1], draft[is_known]])
    score = discriminant(known, features["general"].states[:, -1], features["nonsense"].states[:, -1], -1)
    values = {f"{name}-test": score(features[f"{name}-test"]) for name in (*SETS, "known")}
    direction_of_draft = score(features["draft-train"])[~is_known]
    values["known-validation"] = np.concatenate([score(features["known-validation"]), direction_of_draft])
    return {"discriminant, draft among the known texts": figures(values)}


def _mean(text: FoundText, name: str) -> float:
    """Of the entities of a text; 0 where there are none."""
    return float(np.mean([getattr(entity, name) for entity in text.entities])) if text.entities else 0.0
