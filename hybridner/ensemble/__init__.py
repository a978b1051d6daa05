"""Combining members: pure functions over plain arrays, no torch."""

from hybridner.ensemble.adaptive import AdaptiveThreshold
from hybridner.ensemble.ballot import ABSTAIN, Ballot, merge_ballots
from hybridner.ensemble.candidates import KINDS, Candidate, Kind, select_entities
from hybridner.ensemble.combiners import COMBINERS, STACKERS, UNFITTED, available_strategies
from hybridner.ensemble.decide import DecisionSettings, decide, decide_predictions
from hybridner.ensemble.error_probability import ErrorModel
from hybridner.ensemble.ood import OodDetector, SpanFamiliarity
from hybridner.ensemble.pool import PoolWeights
from hybridner.ensemble.predictions import Predictions, concat_predictions
from hybridner.ensemble.selection import SelectionTable
from hybridner.ensemble.stacking import TrainedStacker, stacker_from_bytes
from hybridner.ensemble.thresholds import FixedThreshold, Threshold, as_threshold, find_doubtful
from hybridner.ensemble.uncertainty import UNCERTAINTIES
from hybridner.ensemble.weights import CombinerWeights

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
    "CombinerWeights",
    "DecisionSettings",
    "ErrorModel",
    "FixedThreshold",
    "Kind",
    "OodDetector",
    "PoolWeights",
    "Predictions",
    "SelectionTable",
    "SpanFamiliarity",
    "Threshold",
    "TrainedStacker",
    "as_threshold",
    "available_strategies",
    "concat_predictions",
    "decide",
    "decide_predictions",
    "find_doubtful",
    "merge_ballots",
    "select_entities",
    "stacker_from_bytes",
]
