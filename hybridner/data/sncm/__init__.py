"""SNCM-open: the corpus, its ontology, and the check of one against the other."""
