"""Callers behind trusted proxies, which name the client's address in X-Forwarded-For."""

import pytest

from tests import factories
from tests.api.http.test_rate_limits import get

pytestmark = pytest.mark.usefixtures("client")  # it empties Redis


def test_a_trusted_proxy_names_the_address() -> None:
    with factories.another_app(rate_limits=factories.rate_limits(address=1), trusted_proxies=1) as proxied:
        responses = [
            get(proxied, **{"X-Forwarded-For": named}).status_code
            for named in ("198.51.100.1", "198.51.100.2", "203.0.113.9, 198.51.100.2")
        ]

    assert responses == [401, 401, 429]


@pytest.mark.parametrize(
    "named",
    [
        ("203.0.113.7:49152", "203.0.113.7:49153", "203.0.113.7", "[::ffff:203.0.113.7]:1"),
        ("[2001:db8::1]:443", "[2001:db8::1]:444", "[2001:db8::1]", "2001:db8::1", "2001:DB8::2"),
        ("203.0.113.9, 203.0.113.7:1", "198.51.100.1:9, 203.0.113.7:2", '"203.0.113.7:3"'),
    ],
    ids=["IPv4", "IPv6", "lists"],
)
def test_the_port_that_a_proxy_forwards_is_no_part_of_the_caller(named: tuple[str, ...]) -> None:
    with factories.another_app(rate_limits=factories.rate_limits(address=1), trusted_proxies=1) as proxied:
        responses = [get(proxied, **{"X-Forwarded-For": one}).status_code for one in named]

    assert responses == [401] + [429] * (len(named) - 1)


@pytest.mark.parametrize("named", ["unknown", "_hidden:1", "203.0.113.300:80", "[x]:1", "[", ":", "1:2:3:4"])
def test_a_proxy_may_forward_anything(named: str) -> None:
    with factories.another_app(rate_limits=factories.rate_limits(address=1), trusted_proxies=1) as proxied:
        responses = [get(proxied, **{"X-Forwarded-For": named}).status_code for _ in range(2)]

    assert responses == [401, 429]
