"""Secrets are found by the names of their fields, however deep, and by their values; dummies and words stay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridner.redaction import HIDDEN, find_secrets, is_secret_name, redact, redact_text

SECRET = "s3cr3t-value-0123456789"


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "API-Key",
        "x-api-key",
        "Authorization",
        "proxy-authorization",
        "bearer",
        "access_token",
        "client_secret",
        "Cookie",
        "Ocp-Apim-Subscription-Key",
        "password",
        "token",
        "hf_token_secret",
        "aws_secret_access_key",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["max_tokens", "eos_token", "key", "keys", "author", "enable_thinking", "top_p", "logit_bias"])
def test_names_of_other_fields(name: str) -> None:
    assert not is_secret_name(name)


_DATA = st.recursive(
    st.none() | st.integers() | st.just("value"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "extra_body", "n"]), inner, max_size=3),
    max_leaves=8,
)


@given(
    _DATA,
    st.lists(st.sampled_from(["extra_headers", "extra_body", 0]), max_size=4),
    st.sampled_from(["Authorization", "x-api-key"]),
)
def test_however_deep(data: Any, path: list[Any], name: str) -> None:
    secret: Any = {name: f"Bearer {SECRET}"}
    for step in path:
        secret = [secret] if step == 0 else {step: secret}
    whole = {"rest": data, "deep": secret}
    assert SECRET not in repr(redact(whole))
    assert redact(whole)["rest"] == data
    assert SECRET in list(find_secrets(whole))
    assert redact_text(f"401: wrong key {SECRET}!", find_secrets(whole)) == f"401: wrong key {HIDDEN}!"


@pytest.mark.parametrize("dummy", ["none", "EMPTY", "ollama", "", None])
def test_short_dummies_are_words(dummy: str | None) -> None:
    text = "none of the models of ollama is EMPTY"
    assert redact_text(text, [dummy]) == text


def test_what_looks_like_a_token() -> None:
    assert redact_text("sk-abcdefgh12 and Bearer abcdef.gh") == f"sk-{HIDDEN} and Bearer {HIDDEN}"
    assert redact_text("a-b", ["longer-secret", "longer-secret-still"]) == "a-b"
    assert redact_text("x longer-secret-still y", ["longer-secret", "longer-secret-still"]) == f"x {HIDDEN} y"
