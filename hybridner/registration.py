"""Makes transformers know our classes: `AutoConfig`, `AutoModel`, `AutoModelForTokenClassification` and the task "hybrid-ner"."""

from __future__ import annotations

from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification
from transformers.pipelines import PIPELINE_REGISTRY

from hybridner.bundled import BUNDLED_FOLDER
from hybridner.export import OnnxHybridNerConfig, OnnxHybridNerModel
from hybridner.hybrid import AdaptedHybridNerConfig, AdaptedHybridNerModel, HybridNerConfig, HybridNerModel
from hybridner.models import MEMBER_CLASSES, TaggerModel
from hybridner.pipeline import HybridNerPipeline

TASK = "hybrid-ner"


def register() -> None:
    """Register every class; done once when hybridner is imported."""
    for model_type, model in MEMBER_CLASSES.items():
        AutoConfig.register(model_type, model.config_class, exist_ok=True)
        AutoModel.register(model.config_class, model, exist_ok=True)
        if issubclass(model, TaggerModel):
            AutoModelForTokenClassification.register(model.config_class, model, exist_ok=True)
    for config, composite in (
        (HybridNerConfig, HybridNerModel),
        (AdaptedHybridNerConfig, AdaptedHybridNerModel),
        (OnnxHybridNerConfig, OnnxHybridNerModel),
    ):
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModel.register(config, composite, exist_ok=True)
    PIPELINE_REGISTRY.register_pipeline(
        TASK,
        pipeline_class=HybridNerPipeline,
        pt_model=AutoModel,
        default={"model": (str(BUNDLED_FOLDER), "main")},
        type="text",
    )
