"""The spaCy component `hybrid_ner`, which spaCy finds by the package's entry point: `nlp.add_pipe("hybrid_ner")`."""

from hybridner.spacy_component.component import HybridNerComponent, make_hybrid_ner

__all__ = ["HybridNerComponent", "make_hybrid_ner"]
