"""A model as a web service: `hybridner serve`. What requests may say is shared with Hugging Face Inference Endpoints."""

from hybridner.serving.limits import Limits
from hybridner.serving.requests import Parameters, PredictRequest, parse_request, read_request

__all__ = ["Limits", "Parameters", "PredictRequest", "parse_request", "read_request"]
