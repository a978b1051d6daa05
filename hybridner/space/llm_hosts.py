"""Which LLM servers the page sends requests to: any, or from a public page only well-known ones."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from hybridner.errors import ModelError
from hybridner.space.errors import VisitorError

#: Servers a page that strangers can reach may be told to use. Any other address could point into the network it runs in.
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


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this computer itself."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def allowed_hosts(listening_on: str, extra: Collection[str] = (), *, public: bool = False) -> tuple[str, ...] | None:
    """The LLM servers that a page may use; None for all, where only this computer can reach the page.

    Args:
        listening_on: the page's own address.
        extra: further servers that the operator allows.
        public: whether strangers reach the page although it listens on this computer's own address, as behind a proxy.

    Raises:
        ModelError: a public page is told to allow this computer itself.
    """
    if not public and is_loopback(listening_on):
        return None
    for host in extra:
        if is_loopback(host):
            raise ModelError(
                f"--llm-host {host} is this computer itself, which visitors of a public page must not reach; "
                "give the LLM server a name of its own, with https"
            )
    return (*PUBLIC_HOSTS, *extra)


def check_endpoint(url: str, hosts: Collection[str] | None) -> str:
    """The address of an LLM server, without spaces around it.

    Args:
        url: as the visitor wrote it.
        hosts: of `allowed_hosts`.

    Raises:
        VisitorError: no http address, one with a password in it, or a host that is not allowed.
    """
    address = url.strip()
    try:
        parts = urlsplit(address)
        host = parts.hostname
        port = parts.port
    except ValueError:
        raise VisitorError("bad_endpoint") from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.password:
        raise VisitorError("bad_endpoint")
    if hosts is not None and (host not in hosts or parts.scheme != "https" or port not in (None, 443)):
        raise VisitorError("endpoint_not_allowed", hosts=", ".join(sorted(hosts)))
    return address
