"""`pipeline("hybrid-ner")`: text in, entities out; of a model, or of definitions and an LLM."""

from hybridner.pipeline.hybrid_ner import HybridNerPipeline

__all__ = ["HybridNerPipeline"]
