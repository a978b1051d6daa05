"""Models at home on the Hub: what is known about a model, its card, and how both are published."""

from hybridner.hub.cards import make_card
from hybridner.hub.measuring import measure
from hybridner.hub.publishing import HubError, push_folder
from hybridner.hub.records import ModelRecord, read_model

__all__ = ["HubError", "ModelRecord", "make_card", "measure", "push_folder", "read_model"]
