"""hybridner: Chinese named entity recognition for specialised domains.

Importing the package registers its model classes with transformers' Auto classes and the task "hybrid-ner" with `pipeline`.
"""

from hybridner.ensemble.adaptive import AdaptiveThreshold
from hybridner.hybrid import AdaptedHybridNerConfig, AdaptedHybridNerModel, HybridNerConfig, HybridNerModel
from hybridner.llm import LlmSettings, OpenAIVerifier, TransformersVerifier
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
from hybridner.registration import register
from hybridner.spans import Label, LabelSet, Record, Span

__version__ = "0.1.0"

__all__ = [
    "AdaptedHybridNerConfig",
    "AdaptedHybridNerModel",
    "AdaptiveThreshold",
    "BertBiLstmCrfConfig",
    "BertBiLstmCrfModel",
    "HybridNerConfig",
    "HybridNerModel",
    "HybridNerPipeline",
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
    "register",
]

register()
