from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.text import cut_windows

ENDS = "\n。"
texts = st.text(st.sampled_from("天地人和。，\n a"), max_size=300)


@given(texts, st.integers(8, 60), st.data())
def test_every_character_has_one_owner_with_context(text: str, size: int, data: st.DataObject) -> None:
    context = data.draw(st.integers(0, size // 4))
    windows = cut_windows(text, size, context)
    owned = [position for window in windows for position in range(window.own_start, window.own_end)]
    assert owned == list(range(len(text)))
    for window in windows:
        assert 0 < window.end - window.start <= size
        before = context if window.own_start and text[window.own_start - 1] not in ENDS else 0
        behind = context if window.own_end < len(text) and text[window.own_end - 1] not in ENDS else 0
        assert window.start == window.own_start - before
        assert window.end == min(len(text), window.own_end + behind)


def test_cuts_fall_after_sentence_ends() -> None:
    text = ("天" * 7 + "，" + "地" * 6 + "。") * 9
    windows = cut_windows(text, 40, 4)
    assert len(windows) > 1
    assert all(text[window.own_end - 1] == "。" for window in windows)
    assert all((window.start, window.end) == (window.own_start, window.own_end) for window in windows)


@pytest.mark.parametrize(("size", "context"), [(0, 0), (8, 3), (8, -1)])
def test_impossible_sizes_are_refused(size: int, context: int) -> None:
    with pytest.raises(ValueError, match="size"):
        cut_windows("天地", size, context)
