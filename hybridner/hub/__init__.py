"""Models and data sets on the Hugging Face Hub: what is known about a model, its card, and pushing."""

from hybridner.hub.dataset_repo import push_dataset
from hybridner.hub.eval_results import measure_model
from hybridner.hub.model_card import make_card
from hybridner.hub.model_folder import ModelFolder, read_model_folder
from hybridner.hub.model_repo import push_model
from hybridner.hub.upload import HubError

__all__ = ["HubError", "ModelFolder", "make_card", "measure_model", "push_dataset", "push_model", "read_model_folder"]
