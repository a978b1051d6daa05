"""The Space: a page on which texts are analyzed, entities corrected by hand, and an LLM asked about doubtful ones.

Only `page`, `components` and `handlers` need gradio.
"""

from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.analyzer import AnalysisOptions, Analyzer
from hybridner.space.limits import Limits
from hybridner.space.llm_hosts import PUBLIC_HOSTS
from hybridner.space.llm_request import LlmRequest
from hybridner.space.models import Models

__all__ = ["PUBLIC_HOSTS", "AnalysisOptions", "AnalyzedText", "Analyzer", "Limits", "LlmRequest", "Models"]
