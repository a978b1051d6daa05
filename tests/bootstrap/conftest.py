"""A scripted server, as for the LLM stage."""

from tests.llm.conftest import _no_waiting, refused, serve

__all__ = ["_no_waiting", "refused", "serve"]
