"""The Space: a page on which texts are read, doubts are seen and an LLM can be asked.

Only `page` and `handlers` need gradio.
"""

from hybridner.space.limits import PUBLIC_HOSTS, Limits
from hybridner.space.reading import Reading, entity_dicts
from hybridner.space.service import LlmChoice, Service

__all__ = ["PUBLIC_HOSTS", "Limits", "LlmChoice", "Reading", "Service", "entity_dicts"]
