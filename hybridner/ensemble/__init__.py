"""Combining members: pure functions over plain arrays, no torch."""

from hybridner.ensemble.adaptive import AdaptiveThreshold
from hybridner.ensemble.ballot import ABSTAIN, Ballot, joined
from hybridner.ensemble.candidates import KINDS, Candidate, Kind, select_entities
from hybridner.ensemble.combiners import COMBINERS, STACKERS, UNFITTED, available
from hybridner.ensemble.decide import decide
from hybridner.ensemble.fitted import Fitted, fit
from hybridner.ensemble.predictions import Predictions, concatenated
from hybridner.ensemble.stacking import TrainedStacker, fit_stacker, stacker_from_bytes
from hybridner.ensemble.thresholds import FixedThreshold, Threshold, as_threshold, find_doubtful
from hybridner.ensemble.uncertainty import UNCERTAINTIES

__all__ = [
    "ABSTAIN",
    "COMBINERS",
    "KINDS",
    "STACKERS",
    "UNCERTAINTIES",
    "UNFITTED",
    "AdaptiveThreshold",
    "Ballot",
    "Candidate",
    "Fitted",
    "FixedThreshold",
    "Kind",
    "Predictions",
    "Threshold",
    "TrainedStacker",
    "as_threshold",
    "available",
    "concatenated",
    "decide",
    "find_doubtful",
    "fit",
    "fit_stacker",
    "joined",
    "select_entities",
    "stacker_from_bytes",
]
