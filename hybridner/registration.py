"""Makes transformers know our classes, whatever is imported first, without importing them or transformers beforehand.

Importing hybridner must load neither torch nor transformers. And when transformers has just loaded its Auto classes, it may be in
the middle of loading what our classes build on, in this thread or in another. So nothing is imported then, either: our model
types and the task "hybrid-ner" get stand-ins in transformers' tables, whose first use imports the package that holds the class.
That package registers its models with `register_model`. Every Auto class and `pipeline` look the configuration up first, so none
of them misses a model, or a tokenizer that is registered with it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import wrapt

from hybridner.bundled import BUNDLED_FOLDER

if TYPE_CHECKING:
    from transformers import PreTrainedModel

#: What `transformers.pipeline` calls ours.
TASK = "hybrid-ner"

#: For each model type the package that holds, exports and registers its classes, and the configuration class.
CONFIGURATIONS = {
    "bert-bilstm-crf": ("hybridner.models", "BertBiLstmCrfConfig"),
    "roberta-bigru-crf": ("hybridner.models", "RobertaBiGruCrfConfig"),
    "macbert-attn-bilstm-crf": ("hybridner.models", "MacBertAttnBiLstmCrfConfig"),
    "spanner": ("hybridner.models", "SpannerConfig"),
    "hybrid-ner": ("hybridner.hybrid", "HybridNerConfig"),
    "hybrid-ner-adapter": ("hybridner.hybrid", "AdaptedHybridNerConfig"),
    "hybrid-ner-onnx": ("hybridner.export", "OnnxHybridNerConfig"),
}


def announce() -> None:
    """Let transformers find our model types and the task "hybrid-ner"; at once where it is loaded, else when it is."""
    wrapt.register_post_import_hook(_announce_configurations, "transformers.models.auto.configuration_auto")
    wrapt.register_post_import_hook(_announce_pipeline, "transformers.pipelines")


def register_model(model: type[PreTrainedModel], *auto_classes: Any) -> None:
    """Register a model and its configuration with transformers, under `AutoModel` and the Auto classes given."""
    from transformers import AutoConfig, AutoModel

    configuration: Any = model.config_class
    AutoConfig.register(configuration.model_type, configuration, exist_ok=True)
    for auto_class in (AutoModel, *auto_classes):
        auto_class.register(configuration, model, exist_ok=True)


def _announce_configurations(_: ModuleType) -> None:
    # Imported anew: another thread may be in the middle of loading the module, and then this waits for it.
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    for model_type, (package, name) in CONFIGURATIONS.items():
        if model_type not in CONFIG_MAPPING:
            stand_in: Any = wrapt.lazy_import(package, name)
            CONFIG_MAPPING.register(model_type, stand_in)


def _announce_pipeline(pipelines: ModuleType) -> None:
    from transformers.pipelines import PIPELINE_REGISTRY

    # `register_pipeline` would import the class, and have `save_pretrained` of a pipeline copy our source into the folder, which
    # asks for trust when it is loaded.
    PIPELINE_REGISTRY.supported_tasks[TASK] = {
        "impl": wrapt.lazy_import("hybridner.pipeline", "HybridNerPipeline"),
        "pt": (wrapt.lazy_import("transformers", "AutoModel"),),
        "default": {"model": (str(BUNDLED_FOLDER), "main")},
        "type": "text",
    }
    # For `pipeline(model=...)` without a task, transformers asks the Hub only, also about folders.
    wrapt.wrap_function_wrapper(pipelines, "get_task", _infer_task)


def _infer_task(get_task: Callable[..., str], _: None, args: tuple[Any, ...], options: dict[str, Any]) -> str:
    """The task of a model for which none was named: "hybrid-ner" for models of hybridner, else what transformers says."""
    return _task_of(*args, **options) or get_task(*args, **options)


def _task_of(model: str, token: str | None = None, **_: Any) -> str | None:
    from transformers import PreTrainedConfig

    try:
        settings, _ = PreTrainedConfig.get_config_dict(model, token=token)
    except (OSError, ValueError):
        return None
    return TASK if settings.get("model_type") in CONFIGURATIONS else None
