"""hybridner: Chinese named entity recognition for specialised domains.

Importing the package makes its model classes known to transformers' Auto classes and the task "hybrid-ner" to `pipeline`. Neither
torch nor transformers is imported by it: what the package exports is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from hybridner.registration import announce
from hybridner.version import __version__

if TYPE_CHECKING:
    from hybridner.display import show
    from hybridner.ensemble.adaptive import AdaptiveThreshold
    from hybridner.hybrid import (
        AdaptedHybridNerConfig,
        AdaptedHybridNerModel,
        HybridNerConfig,
        HybridNerModel,
    )
    from hybridner.llm import (
        LlmSettings,
        OpenAIVerifier,
        TransformersVerifier,
    )
    from hybridner.models import (
        BertBiLstmCrfConfig,
        BertBiLstmCrfModel,
        MacBertAttnBiLstmCrfConfig,
        MacBertAttnBiLstmCrfModel,
        RobertaBiGruCrfConfig,
        RobertaBiGruCrfModel,
        SpannerConfig,
        SpannerModel,
    )
    from hybridner.pipeline import HybridNerPipeline
    from hybridner.spans import Label, LabelSet, Record, Span
    from hybridner.training import HybridNerTrainer, HybridNerTrainingArguments

__all__ = [
    "AdaptedHybridNerConfig",
    "AdaptedHybridNerModel",
    "AdaptiveThreshold",
    "BertBiLstmCrfConfig",
    "BertBiLstmCrfModel",
    "HybridNerConfig",
    "HybridNerModel",
    "HybridNerPipeline",
    "HybridNerTrainer",
    "HybridNerTrainingArguments",
    "Label",
    "LabelSet",
    "LlmSettings",
    "MacBertAttnBiLstmCrfConfig",
    "MacBertAttnBiLstmCrfModel",
    "OpenAIVerifier",
    "Record",
    "RobertaBiGruCrfConfig",
    "RobertaBiGruCrfModel",
    "Span",
    "SpannerConfig",
    "SpannerModel",
    "TransformersVerifier",
    "__version__",
    "show",
]

#: Where the exports are, for `__getattr__`; type checkers read the imports above.
_EXPORTS = {
    "hybridner.display": ("show",),
    "hybridner.ensemble.adaptive": ("AdaptiveThreshold",),
    "hybridner.hybrid": ("AdaptedHybridNerConfig", "AdaptedHybridNerModel", "HybridNerConfig", "HybridNerModel"),
    "hybridner.llm": ("LlmSettings", "OpenAIVerifier", "TransformersVerifier"),
    "hybridner.models": (
        "BertBiLstmCrfConfig",
        "BertBiLstmCrfModel",
        "MacBertAttnBiLstmCrfConfig",
        "MacBertAttnBiLstmCrfModel",
        "RobertaBiGruCrfConfig",
        "RobertaBiGruCrfModel",
        "SpannerConfig",
        "SpannerModel",
    ),
    "hybridner.pipeline": ("HybridNerPipeline",),
    "hybridner.spans": ("Label", "LabelSet", "Record", "Span"),
    "hybridner.training": ("HybridNerTrainer", "HybridNerTrainingArguments"),
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


announce()
