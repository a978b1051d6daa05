"""Makes transformers know our classes: `AutoConfig`, `AutoModel`, `AutoModelForTokenClassification` and the task "hybrid-ner"."""

from __future__ import annotations

from typing import Any

import transformers.pipelines
from transformers import AutoConfig, AutoModel, AutoModelForTokenClassification, PreTrainedConfig
from transformers.pipelines import PIPELINE_REGISTRY, get_task

from hybridner.bundled import BUNDLED_FOLDER
from hybridner.export import OnnxHybridNerConfig, OnnxHybridNerModel
from hybridner.hybrid import AdaptedHybridNerConfig, AdaptedHybridNerModel, HybridNerConfig, HybridNerModel
from hybridner.models import MEMBER_CLASSES, TaggerModel
from hybridner.pipeline import HybridNerPipeline, ModelForPipeline

TASK = "hybrid-ner"
COMPOSITES = (
    (HybridNerConfig, HybridNerModel),
    (AdaptedHybridNerConfig, AdaptedHybridNerModel),
    (OnnxHybridNerConfig, OnnxHybridNerModel),
)
MODEL_TYPES = frozenset([*MEMBER_CLASSES, *(config.model_type for config, _ in COMPOSITES)])


def register() -> None:
    """Register every class; done once when hybridner is imported."""
    for model_type, model in MEMBER_CLASSES.items():
        AutoConfig.register(model_type, model.config_class, exist_ok=True)
        AutoModel.register(model.config_class, model, exist_ok=True)
        if issubclass(model, TaggerModel):
            AutoModelForTokenClassification.register(model.config_class, model, exist_ok=True)
    for config, composite in COMPOSITES:
        AutoConfig.register(config.model_type, config, exist_ok=True)
        AutoModel.register(config, composite, exist_ok=True)
    PIPELINE_REGISTRY.register_pipeline(
        TASK,
        pipeline_class=HybridNerPipeline,
        pt_model=ModelForPipeline,
        default={"model": (str(BUNDLED_FOLDER), "main")},
        type="text",
    )
    # With it `save_pretrained` of a pipeline would copy our source into the folder, and loading that would ask for trust in it.
    delattr(HybridNerPipeline, "_registered_impl")
    # For `pipeline(model=...)` without a task, transformers asks the Hub only, also about folders.
    transformers.pipelines.get_task = infer_task


def infer_task(model: str, token: str | None = None, **options: Any) -> str:
    """The task of a model for which none was named: "hybrid-ner" for models of hybridner, else what transformers says.

    Args:
        model: folder or Hub id.
        token: for the Hub.
        **options: further arguments of `transformers.pipelines.get_task`.
    """
    try:
        settings, _ = PreTrainedConfig.get_config_dict(model, token=token)
    except (OSError, ValueError):
        settings = {}
    return TASK if settings.get("model_type") in MODEL_TYPES else str(get_task(model, token, **options))
