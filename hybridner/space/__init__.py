"""The Space: a page on which texts are analyzed, doubtful entities are seen and an LLM can decide about them.

Only `page`, `components` and `handlers` need gradio.
"""

from hybridner.space.analyzed_text import AnalyzedText
from hybridner.space.analyzer import AnalysisOptions, Analyzer
from hybridner.space.limits import Limits
from hybridner.space.llm_hosts import PUBLIC_HOSTS
from hybridner.space.llm_request import LlmRequest

__all__ = ["PUBLIC_HOSTS", "AnalysisOptions", "AnalyzedText", "Analyzer", "Limits", "LlmRequest"]
