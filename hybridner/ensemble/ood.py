"""How unlike the texts that a model knows a new one is (out of domain), as a share of known texts that are more typical.

A linear function of the encoder's states (Fisher's discriminant) tells known texts from others of all kinds ("outlier exposure",
Hendrycks et al., 2019). Its mean over a text is ranked against held-out known texts: one minus a conformal p-value (Vovk et al.,
2005). So whatever the function is
worth, a new text that is exchangeable with the held-out ones gets a score above 1 - α with a probability of at most α.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybridner.ensemble.ballot import Floats, Integers
from hybridner.errors import ModelError

#: Characters before and after a span that say with it how typical its surroundings are.
_CONTEXT = 24


@dataclass(frozen=True)
class OodDetector:
    """The direction that leads out of a composite's domain, and how far held-out known texts lie along it.

    Attributes:
        direction: [d] weights of an encoder's states; their product with a character's state is its strangeness.
        texts: [n] mean strangeness of each held-out text, ascending.
        passages: [e] mean strangeness around each entity that was found in them, ascending.

    Raises:
        ModelError: one of them is empty.

    Examples:
        >>> OodDetector(np.ones(4), np.array([0.0, 1.0, 2.0]), np.array([0.0])).score_texts(np.array([1.5, 9.0])).tolist()
        [0.5, 0.75]
    """

    direction: Floats
    texts: Floats
    passages: Floats

    def __post_init__(self) -> None:
        if not len(self.direction) or not len(self.texts) or not len(self.passages):
            raise ModelError("without held-out known texts nothing says how typical a text is; run `hybridner calibrate` again")

    def score_texts(self, strangeness: Floats | np.floating[Any]) -> Floats:
        """The `ood_score` of texts of this mean strangeness."""
        return conformal_score(strangeness, self.texts)

    def score_spans(self, strangeness: Floats, spans: Integers) -> Floats:
        """The `ood_score` of the surroundings of spans.

        Args:
            strangeness: [n] of each character of one text.
            spans: [S, 2] start and end (exclusive).
        """
        return conformal_score(surroundings(strangeness, spans), self.passages)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {name: values.tolist() for name, values in vars(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OodDetector:
        """From what `to_dict` gave.

        Raises:
            ModelError: it is something else.
        """
        try:
            direction, texts, passages = (np.asarray(data[name], dtype=np.float64) for name in _FIELDS)
            if any(values.ndim != 1 or not np.isfinite(values.sum()) for values in (direction, texts, passages)):
                raise ValueError("not lists of finite numbers")
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"`ood` in the composite's config.json must hold the numbers `direction`, `texts` and `passages` ({error}); run "
                "`hybridner calibrate` again"
            ) from error
        return cls(direction, np.sort(texts), np.sort(passages))


@dataclass(frozen=True)
class SpanFamiliarity:
    """How typical the surroundings of C candidates are.

    Attributes:
        scores: [C] their `ood_score`.
        unfamiliar: [C] whether the passage or the whole text is beyond the threshold.

    Examples:
        >>> detector = OodDetector(np.ones(4), np.arange(10.0), np.array([0.0]))
        >>> strangeness = [np.array([1.0, 1.0, 8.0])]       # of each character of one text
        >>> SpanFamiliarity.of(detector, np.array([[0, 0, 2]]), strangeness, threshold=0.95).scores.tolist()
        [0.5]
    """

    scores: Floats
    unfamiliar: NDArray[np.bool_]

    @classmethod
    def of(cls, detector: OodDetector, spans: Integers, strangeness: Sequence[Floats], threshold: float) -> SpanFamiliarity:
        """That of the candidates of a batch.

        Args:
            detector: of the composite.
            spans: [C, 3] row of the text in its batch, start, end; sorted.
            strangeness: of each character of each text.
            threshold: scores above it are beyond what the composite knows.
        """
        borders = np.searchsorted(spans[:, 0], np.arange(len(strangeness) + 1))
        scores, texts = np.zeros(len(spans)), np.zeros(len(spans))
        for row, values in enumerate(strangeness):
            own = slice(borders[row], borders[row + 1])
            scores[own] = detector.score_spans(values, spans[own, 1:])
            texts[own] = detector.score_texts(values.mean())
        return cls(scores, np.maximum(scores, texts) > threshold)


_FIELDS = ("direction", "texts", "passages")


def conformal_score(values: Floats | np.floating[Any], reference: Floats) -> Floats:
    """The share of the reference that is smaller, in [0, 1): 1 - p with p = (1 + #{reference ≥ value}) / (n + 1).

    Args:
        values: of any shape.
        reference: [n] ascending.
    """
    return np.asarray(np.searchsorted(reference, values, side="left") / (len(reference) + 1))


def surroundings(strangeness: Floats, spans: Integers) -> Floats:
    """[S] mean strangeness of the characters of each span [S, 2] and of those close to it."""
    sums = np.concatenate([[0.0], np.cumsum(strangeness)])
    start, end = np.maximum(spans[:, 0] - _CONTEXT, 0), np.minimum(spans[:, 1] + _CONTEXT, len(strangeness))
    return np.asarray((sums[end] - sums[start]) / np.maximum(end - start, 1))
