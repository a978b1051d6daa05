"""What an answer about a candidate is worth before it is given: by how much it can be expected to raise F1.

F1 is largest where Σ (2·right - F1·found) over the entities found is (Lipton et al., 2014): an entity that is right with
probability p is worth 2p - F1, none at all 0. An answer is worth what the best decision after it is worth, on average over the
answers that the verifier may give, less what the decision is worth now: the value of information. Where no answer could change
the decision, that is nothing, however uncertain the candidate.
"""

from __future__ import annotations

import numpy as np

from hybridner.ensemble import Candidate
from hybridner.llm.confusion import ConfusionMatrix

#: The F1 that is to be raised; what comes first hardly depends on it.
_F1 = 0.8


def answer_value(candidate: Candidate, matrix: ConfusionMatrix) -> float:
    """The expected gain, in twice the number of right entities; at least 0.

    Args:
        candidate: with its distribution over the labels of the matrix.
        matrix: how reliable the verifier is.
    """
    joint = np.asarray(candidate.distribution)[:, None] * np.asarray(matrix.rows)  # [true label, answer]
    after = np.maximum(2 * joint[1:] - _F1 * joint.sum(axis=0), 0.0).max(axis=0).sum()
    now = max(2 * max(candidate.distribution[1:], default=0.0) - _F1, 0.0)
    return max(float(after) - now, 0.0)
