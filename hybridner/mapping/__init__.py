"""Models as functions over the rows of data sets: Arrow in, Arrow out."""

from hybridner.mapping.annotator import Annotator
from hybridner.mapping.datasets import map_dataset
from hybridner.mapping.identity import fingerprint
from hybridner.mapping.table import entities_array, entities_type

__all__ = ["Annotator", "entities_array", "entities_type", "fingerprint", "map_dataset"]
