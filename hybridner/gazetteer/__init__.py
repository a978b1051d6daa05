"""A dictionary of terms as a member: it proposes and votes like the others, with a reliability that was fitted out of sample."""

from hybridner.gazetteer.building import build_gazetteer, refit
from hybridner.gazetteer.gazetteer import Gazetteer
from hybridner.gazetteer.reliability import Reliability
from hybridner.gazetteer.rules import Rules
from hybridner.gazetteer.voting import GAZETTEER, add_cross_fitted, add_gazetteer, add_votes

__all__ = [
    "GAZETTEER",
    "Gazetteer",
    "Reliability",
    "Rules",
    "add_cross_fitted",
    "add_gazetteer",
    "add_votes",
    "build_gazetteer",
    "refit",
]
