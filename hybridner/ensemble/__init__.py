"""Combining members: pure functions over plain arrays, no torch."""

from hybridner.ensemble.ballot import ABSTAIN, Ballot, joined
from hybridner.ensemble.combiners import COMBINERS
from hybridner.ensemble.decide import Candidate, decide, entities, spanner_uncertainty
from hybridner.ensemble.predictions import Predictions, concatenated

__all__ = [
    "ABSTAIN",
    "COMBINERS",
    "Ballot",
    "Candidate",
    "Predictions",
    "concatenated",
    "decide",
    "entities",
    "joined",
    "spanner_uncertainty",
]
