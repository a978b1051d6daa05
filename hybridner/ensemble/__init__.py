"""Combining members: pure functions over plain arrays, no torch."""

from hybridner.ensemble.ballot import ABSTAIN, Ballot
from hybridner.ensemble.combiners import COMBINERS
from hybridner.ensemble.decide import Candidate, decide, entities, spanner_uncertainty

__all__ = ["ABSTAIN", "COMBINERS", "Ballot", "Candidate", "decide", "entities", "spanner_uncertainty"]
