"""A first local model from raw text: an LLM annotates, members learn from it, people look at what is most doubtful."""

from hybridner.bootstrap.job import Bootstrap, BootstrapSettings

__all__ = ["Bootstrap", "BootstrapSettings"]
