"""Halves of characters."""

from hypothesis import given
from hypothesis import strategies as st

from hybridner.text.surrogates import replace_surrogates

any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates too


@given(any_text)
def test_what_comes_out_can_be_written_and_has_the_same_length(text):
    clean, count = replace_surrogates(text)
    clean.encode()
    assert len(clean) == len(text)
    halves = [0xD800 <= ord(character) <= 0xDFFF for character in text]
    assert count == sum(halves)
    assert all(new == ("\ufffd" if half else old) for old, new, half in zip(text, clean, halves, strict=True))
