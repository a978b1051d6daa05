"""Made-up texts with made-up entities."""

from __future__ import annotations

from hypothesis import strategies as st

from hybridner.spans import Span

LABELS = ("A", "B")


def spans() -> st.SearchStrategy[Span]:
    """Within the first 10 characters."""
    return st.builds(
        lambda start, length, label: Span(start, start + length, label),
        st.integers(0, 6),
        st.integers(1, 4),
        st.sampled_from(LABELS),
    )


#: Spans of one text, nested and crossing ones among them.
TEXT_SPANS = st.lists(spans(), max_size=5, unique=True)
#: (gold, predicted) of some texts.
PAIRS = st.lists(st.tuples(TEXT_SPANS, TEXT_SPANS), max_size=5).map(lambda pairs: ([g for g, _ in pairs], [p for _, p in pairs]))
