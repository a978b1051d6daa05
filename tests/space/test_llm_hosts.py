"""Which LLM servers a page sends requests to."""

from __future__ import annotations

import pytest

from hybridner.errors import ModelError
from hybridner.space.errors import VisitorError
from hybridner.space.llm_hosts import PUBLIC_HOSTS, allowed_hosts, check_endpoint, is_loopback


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/v1", " https://api.deepseek.com/v1 "])
def test_a_page_on_this_computer_may_ask_any_server(url: str) -> None:
    assert check_endpoint(url, allowed_hosts("127.0.0.1")) == url.strip()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.deepseek.com/v1", None),
        ("https://llm.example.org/v1", None),
        ("http://api.deepseek.com/v1", "endpoint_not_allowed"),
        ("https://api.deepseek.com:8443/v1", "endpoint_not_allowed"),
        ("http://127.0.0.1/v1", "endpoint_not_allowed"),
        ("http://169.254.169.254/latest", "endpoint_not_allowed"),
        ("https://api.deepseek.com.evil.example/v1", "endpoint_not_allowed"),
        ("https://api.deepseek.com@evil.example/v1", "bad_endpoint"),
        ("file:///etc/passwd", "bad_endpoint"),
        ("api.deepseek.com", "bad_endpoint"),
        ("https://[::1", "bad_endpoint"),
        ("https://a:b/", "bad_endpoint"),
    ],
)
def test_a_public_page_asks_only_servers_on_its_list(url: str, expected: str | None) -> None:
    hosts = allowed_hosts("0.0.0.0", ["llm.example.org"])
    assert hosts is not None
    assert set(PUBLIC_HOSTS) < set(hosts)
    if expected is None:
        assert check_endpoint(url, hosts) == url
        return
    with pytest.raises(VisitorError) as error:
        check_endpoint(url, hosts)
    assert error.value.key == expected


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/v1", "https://localhost/v1", "http://[::1]:8000/v1", "https://10.0.0.7/v1"]
)
def test_a_public_page_behind_a_proxy_never_uses_this_computer(url: str) -> None:
    # It listens on this computer's own address, and the proxy passes on what strangers send.
    hosts = allowed_hosts("127.0.0.1", public=True)
    with pytest.raises(VisitorError) as error:
        check_endpoint(url, hosts)
    assert error.value.key == "endpoint_not_allowed"
    with pytest.raises(ModelError, match="--llm-host localhost"):
        allowed_hosts("127.0.0.1", ["localhost"], public=True)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("llm.localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.example.org", False),
    ],
)
def test_this_computer_is_known_by_all_its_names(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
