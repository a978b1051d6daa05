"""Lists of terms: what people have before they have labelled sentences."""

from hybridner.data.terms.files import read_terms
from hybridner.data.terms.term import Term, checked_term

__all__ = ["Term", "checked_term", "read_terms"]
