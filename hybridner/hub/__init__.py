"""At home on the Hub: what is known about a model, its card, and how models and data sets are published."""

from hybridner.hub.cards import make_card
from hybridner.hub.committing import HubError
from hybridner.hub.data_sets import push_data_set
from hybridner.hub.measuring import measure
from hybridner.hub.publishing import push_folder
from hybridner.hub.records import ModelRecord, read_model

__all__ = ["HubError", "ModelRecord", "make_card", "measure", "push_data_set", "push_folder", "read_model"]
