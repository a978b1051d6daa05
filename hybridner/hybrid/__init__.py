"""The composite model: members, SpanNER and calibration in one loadable repository, and how it reads texts."""

from hybridner.hybrid.configuration_adapted import AdaptedHybridNerConfig
from hybridner.hybrid.configuration_hybrid import HybridNerConfig
from hybridner.hybrid.examples import ExampleIndex
from hybridner.hybrid.modeling_adapted import AdaptedHybridNerModel
from hybridner.hybrid.modeling_hybrid import HybridNerModel, HybridNerOutput
from hybridner.hybrid.reading import decide_ballot, predict, read_texts
from hybridner.registration import register_model

register_model(HybridNerModel)
register_model(AdaptedHybridNerModel)

__all__ = [
    "AdaptedHybridNerConfig",
    "AdaptedHybridNerModel",
    "ExampleIndex",
    "HybridNerConfig",
    "HybridNerModel",
    "HybridNerOutput",
    "decide_ballot",
    "predict",
    "read_texts",
]
