"""The probability that a candidate's label is wrong: all measures of uncertainty, length, label and ood_score in one number.

A logistic regression over the measures, for entities and for spans that were left out by themselves; fitted by
`hybridner calibrate` on texts of the domain. Of texts beyond the domain nothing labelled is known, so there the probability rises
with `ood_score` by a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from hybridner.ensemble.ballot import Floats, Integers
from hybridner.errors import ModelError

#: Measures of exactly 0 or 1 say no more than this.
_MIN_PROB = 1e-4
#: From this `ood_score` on a text may be foreign; at 1 it surely is, and nearly all is wrong that is found in a foreign text.
_FOREIGN_FROM, _WRONG_IF_FOREIGN = 0.95, 0.9


@dataclass(frozen=True)
class ErrorModel:
    """Weights of the two logistic regressions over `error_features`.

    Attributes:
        entities: [M + 2 + K + 1] for candidates with a label other than O.
        others: [M + 2 + K + 1] for candidates with the label O.

    Examples:
        >>> model.decision_settings.error_model is not None      # fitted by `hybridner calibrate`
        True
        >>> model.predict([text])[0].entities[0].error_probability < 0.5
        True
    """

    entities: Floats
    others: Floats

    def probabilities(self, measures: Floats, lengths: Integers, labels: Integers) -> Floats:
        """[C] P(the label is wrong); arguments as for `error_features`."""
        features = error_features(measures, lengths, labels, self.entities.size - measures.shape[1] - 2)
        return np.asarray(expit(np.where(labels > 0, features @ self.entities, features @ self.others)))

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {name: np.round(values, 6).tolist() for name, values in vars(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], num_measures: int, num_labels: int) -> ErrorModel:
        """From what `to_dict` gave.

        Args:
            num_measures: M.
            num_labels: K + 1.

        Raises:
            ModelError: it is something else, or was fitted for other labels.
        """
        try:
            entities, others = (np.asarray(data[name], dtype=np.float64) for name in ("entities", "others"))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"`error_model` in the composite's config.json lacks its weights ({error}); run `hybridner calibrate` again"
            ) from error
        if {entities.shape, others.shape} != {(num_measures + 2 + num_labels,)} or not np.isfinite([entities, others]).all():
            raise ModelError("`error_model` in the composite's config.json is for another one; run `hybridner calibrate` again")
        return cls(entities, others)


def error_features(measures: Floats, lengths: Integers, labels: Integers, num_labels: int) -> Floats:
    """[C, M + 2 + K + 1] what the regressions see: log-odds of the measures, ln length and its square, and the label.

    Args:
        measures: [C, M] uncertainties in [0, 1].
        lengths: [C] characters of the span.
        labels: [C] number of the combined label.
        num_labels: K + 1.
    """
    odds = logit(np.clip(measures, _MIN_PROB, 1 - _MIN_PROB))
    length = np.log(lengths)[:, None]
    return np.concatenate([odds, length, length**2, np.eye(num_labels)[labels]], axis=1)


def beyond_the_domain(probabilities: Floats, ood_scores: Floats) -> Floats:
    """P(wrong) where a text may be foreign: either the label is wrong in any case, or the text is foreign and it is wrong for
    that. Up to an `ood_score` of 0.95 nothing changes."""
    foreign = np.clip((ood_scores - _FOREIGN_FROM) / (1 - _FOREIGN_FROM), 0.0, 1.0)
    return np.asarray(1 - (1 - probabilities) * (1 - _WRONG_IF_FOREIGN * foreign))
