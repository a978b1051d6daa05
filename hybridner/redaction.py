"""Keeping secrets out of what is shown and stored: settings, manifests, reprs and messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "***"

#: Ends of the names, only their letters in lower case, of fields and HTTP headers that hold a secret. "token" alone is too
#: short an end: an `eos_token` is none.
_SECRET_ENDS = (
    *("apikey", "accesskey", "secretkey", "privatekey", "subscriptionkey", "secret", "password", "passwd", "authorization"),
    *("apitoken", "accesstoken", "authtoken", "bearertoken", "refreshtoken", "sessiontoken", "securitytoken", "idtoken"),
    *("credential", "credentials", "cookie"),
)
_SECRET_NAMES = {"token", "bearer", "auth"}
#: A value is searched for in messages only from this length on; "none" or "ollama" is a word, not a secret.
_MIN_SECRET = 8
_TOKEN = re.compile(r"\b(sk-|hf_|Bearer\s+)[\w*.~+/=-]{6,}")


def is_secret_name(name: str) -> bool:
    """Whether a field or header with this name holds a secret."""
    letters = re.sub(r"[^a-z]", "", name.lower())
    return letters in _SECRET_NAMES or letters.endswith(_SECRET_ENDS)


def redact(value: Any) -> Any:
    """A copy of JSON-like data with its secrets replaced: in fields named like one, however deep, and what looks like one."""
    if isinstance(value, Mapping):
        return {key: HIDDEN if is_secret_name(str(key)) and item else redact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def find_secrets(value: Any) -> Iterator[str]:
    """The texts in fields of JSON-like data that are named like secrets, however deep."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if is_secret_name(str(key)):
                yield from _texts(item)
            else:
                yield from find_secrets(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from find_secrets(item)


def redact_text(text: str, secrets: Iterable[str | None] = ()) -> str:
    """A message without the given secrets (from eight characters on) and without anything that looks like a token."""
    # The longest first: one secret may be a part of another.
    for secret in sorted({secret for secret in secrets if secret and len(secret) >= _MIN_SECRET}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _TOKEN.sub(rf"\1{HIDDEN}", text)


def without_credentials(url: str) -> str:
    """An address without user name, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        # "Bearer sk-…": the server may repeat the token alone.
        yield value.rpartition(" ")[2]
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
