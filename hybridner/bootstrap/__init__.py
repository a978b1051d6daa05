"""A first local model from raw text: an LLM annotates, members learn from it, people look at what is most doubtful."""
