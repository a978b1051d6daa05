"""Combining members: pure functions over plain arrays, no torch."""

from hybridner.ensemble.ballot import ABSTAIN, Ballot, joined
from hybridner.ensemble.combiners import COMBINERS, STACKERS, UNFITTED, available
from hybridner.ensemble.decide import Candidate, decide, entities
from hybridner.ensemble.fitted import Fitted, fit
from hybridner.ensemble.predictions import Predictions, concatenated
from hybridner.ensemble.stacking import TrainedStacker, fit_stacker, stacker_from_bytes
from hybridner.ensemble.uncertainty import UNCERTAINTIES

__all__ = [
    "ABSTAIN",
    "COMBINERS",
    "STACKERS",
    "UNCERTAINTIES",
    "UNFITTED",
    "Ballot",
    "Candidate",
    "Fitted",
    "Predictions",
    "TrainedStacker",
    "available",
    "concatenated",
    "decide",
    "entities",
    "fit",
    "fit_stacker",
    "joined",
    "stacker_from_bytes",
]
