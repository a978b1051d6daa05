"""What one visitor may ask for, so that nobody can stop the page for the others; and which LLM servers it will talk to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from hybridner.errors import InputError

#: Servers a page that strangers can reach may be told to ask. Any other address could point into the network it runs in.
PUBLIC_HOSTS = (
    "api.deepseek.com",
    "api.moonshot.cn",
    "api.openai.com",
    "api.siliconflow.cn",
    "dashscope.aliyuncs.com",
    "open.bigmodel.cn",
    "openrouter.ai",
    "router.huggingface.co",
)

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Limits:
    """Upper limits.

    Attributes:
        characters: of the text in the box, and of each text in a file.
        file_bytes, file_texts, file_characters: of an uploaded file.
        queue: events that may wait; further ones are turned away with a message.
        readers: texts read at once; a file counts as one of its own.
        askers: visitors whose LLM is waited for at once; they never hold up those who read locally.
        llm_calls, llm_seconds: of one analysis.
        llm_tokens: of one answer, whatever the visitor's further fields ask for.
        sessions: visitors whose last result is remembered, and `session_seconds` for how long.
    """

    characters: int = 3_000
    file_bytes: int = 1_000_000
    file_texts: int = 1_000
    file_characters: int = 300_000
    queue: int = 64
    readers: int = 2
    askers: int = 16
    llm_calls: int = 40
    llm_seconds: float = 45.0
    llm_tokens: int = 2_048
    sessions: int = 1_000
    session_seconds: int = 3_600


class LimitError(InputError):
    """More than the limits allow, or nothing at all.

    Args:
        reason: a field of `hybridner.space.wording.Wording`, so that the page can say it in the visitor's language.
        values: what its slots are filled with.
    """

    def __init__(self, reason: str, **values: object) -> None:
        from hybridner.space.wording import EN

        self.reason = reason
        self.values = values
        super().__init__(getattr(EN, reason).format(**values))


def check_text(text: object, limits: Limits) -> str:
    """The text.

    Raises:
        LimitError: it is blank, too long or no text.
    """
    if not isinstance(text, str) or not text.strip():
        raise LimitError("empty_text")
    if len(text) > limits.characters:
        raise LimitError("long_text", count=len(text), limit=limits.characters)
    return text


def check_endpoint(url: str, hosts: Collection[str] | None) -> str:
    """The address of an LLM server, without spaces around it.

    Args:
        url: as the visitor wrote it.
        hosts: host names that may be asked; None allows all (a page that only this computer can reach).

    Raises:
        LimitError: no http address, one with a password in it, or a host that is not allowed.
    """
    address = url.strip()
    try:
        parts = urlsplit(address)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise LimitError("bad_endpoint") from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise LimitError("bad_endpoint")
    if hosts is not None and (host not in hosts or parts.scheme != "https" or parts.port not in (None, 443)):
        raise LimitError("endpoint_not_allowed", hosts=", ".join(sorted(hosts)))
    return address


def allowed_hosts(listening_on: str, extra: Collection[str] = ()) -> tuple[str, ...] | None:
    """Which LLM servers a page that listens on this address may ask: all when only this computer can reach it."""
    return None if listening_on in _LOOPBACK else (*PUBLIC_HOSTS, *extra)
