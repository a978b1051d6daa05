"""How long and at which rates to train where the user does not say.

Measured with an encoder of 384 units and 6 layers on 50 to 1,000 sentences (benchmarks/results/small_data.md): ten
passes over 100 sentences are 50 steps, after which SpanNER knows next to nothing; with at least 500 steps it is no worse than the
taggers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

#: Passes over the records where these are many, and optimizer steps where they are few.
MIN_EPOCHS, MIN_STEPS = 10, 500
#: How often the MIN_STEPS are interrupted to measure on dev and to save.
EVALUATIONS = 20
#: What suits an encoder of 768 units, the size of bert-base-chinese.
BASE_SIZE, BASE_ENCODER_RATE, BASE_HEAD_RATE = 768, 3e-5, 1e-3
#: From there to 2e-4 and 3e-3 at 384 units, and no further than these.
_ENCODER_POWER, _HEAD_POWER = math.log2(2e-4 / BASE_ENCODER_RATE), math.log2(3)
_MOST = (5e-4, 5e-3)


class LearningRates(NamedTuple):
    """Of encoders and of what stands on top of them."""

    encoder: float
    head: float


def default_epochs(records: int, records_per_step: int) -> int:
    """Passes over so many records: 10, or as many as make 500 steps.

    >>> default_epochs(10_000, 16), default_epochs(100, 16)
    (10, 72)
    """
    return max(MIN_EPOCHS, math.ceil(MIN_STEPS / math.ceil(max(records, 1) / records_per_step)))


def default_patience(by_steps: bool) -> int:
    """Evaluations without a better F1 after which to stop: 3 epochs, or a third of the EVALUATIONS on few records."""
    return EVALUATIONS // 3 if by_steps else 3


def default_learning_rates(hidden_size: int) -> LearningRates:
    """Rates by the width of the encoder: the smaller it is, the higher.

    >>> default_learning_rates(768)
    LearningRates(encoder=3e-05, head=0.001)
    """
    ratio = BASE_SIZE / hidden_size
    return LearningRates(
        min(_MOST[0], BASE_ENCODER_RATE * ratio**_ENCODER_POWER), min(_MOST[1], BASE_HEAD_RATE * ratio**_HEAD_POWER)
    )
