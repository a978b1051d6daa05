"""The composite model: members, SpanNER and calibration in one loadable repository, and how it reads texts."""

from hybridner.hybrid.configuration_adapted import AdaptedHybridNerConfig
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.hybrid.engine import DecisionOptions, predict_records
from hybridner.hybrid.examples import ExampleIndex
from hybridner.hybrid.modeling_adapted import AdaptedHybridNerModel
from hybridner.hybrid.modeling_composite import CompositeModel, TextPrediction
from hybridner.hybrid.modeling_hybrid import HybridNerModel, require_torch
from hybridner.models import HybridNerOutput
from hybridner.registration import register_model

register_model(HybridNerModel)
register_model(AdaptedHybridNerModel)

__all__ = [
    "AdaptedHybridNerConfig",
    "AdaptedHybridNerModel",
    "CompositeModel",
    "DecisionOptions",
    "ExampleIndex",
    "HybridNerConfig",
    "HybridNerModel",
    "HybridNerOutput",
    "TextPrediction",
    "predict_records",
    "require_torch",
]
