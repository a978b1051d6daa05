"""The four members as transformers models. No text, no files: numbers in, scores out."""

from transformers import AutoModelForTokenClassification

from hybridner.models.configuration_member import MemberConfig
from hybridner.models.configuration_spanner import SpannerConfig
from hybridner.models.configuration_tagger import (
    BertBiLstmCrfConfig,
    MacBertAttnBiLstmCrfConfig,
    RobertaBiGruCrfConfig,
    TaggerConfig,
)
from hybridner.models.forking import use_one_thread_in_forks
from hybridner.models.heads import MemberHead, SpannerHead, TaggerHead
from hybridner.models.modeling_member import MemberModel
from hybridner.models.modeling_spanner import SpannerModel
from hybridner.models.modeling_tagger import (
    BertBiLstmCrfModel,
    MacBertAttnBiLstmCrfModel,
    RobertaBiGruCrfModel,
    TaggerModel,
)
from hybridner.models.outputs import HybridNerOutput, SpannerOutput
from hybridner.registration import register_model

MEMBER_CLASSES: dict[str, type[MemberModel]] = {
    model.config_class.model_type: model
    for model in (BertBiLstmCrfModel, RobertaBiGruCrfModel, MacBertAttnBiLstmCrfModel, SpannerModel)
}
"""Every member class by its model_type, as recipes and composites name it."""

for _tagger in (BertBiLstmCrfModel, RobertaBiGruCrfModel, MacBertAttnBiLstmCrfModel):
    register_model(_tagger, AutoModelForTokenClassification)
register_model(SpannerModel)
use_one_thread_in_forks()

__all__ = [
    "MEMBER_CLASSES",
    "BertBiLstmCrfConfig",
    "BertBiLstmCrfModel",
    "HybridNerOutput",
    "MacBertAttnBiLstmCrfConfig",
    "MacBertAttnBiLstmCrfModel",
    "MemberConfig",
    "MemberHead",
    "MemberModel",
    "RobertaBiGruCrfConfig",
    "RobertaBiGruCrfModel",
    "SpannerConfig",
    "SpannerHead",
    "SpannerModel",
    "SpannerOutput",
    "TaggerConfig",
    "TaggerHead",
    "TaggerModel",
]
