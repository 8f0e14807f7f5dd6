"""On which addresses the application listens.

Outside production on loopback only, because secrets are known and codes are published. In production on others only
behind a proxy, because a few slow connections stop gunicorn.
"""

from typing import Any

import pytest

from arthomed.config import ConfigurationError, check_addresses
from tests.unit.config.environment import PRODUCTION, Read, configuration_error

LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST"]
PUBLIC = ["0.0.0.0", "::", "[::]", "192.168.1.5", "10.0.0.1", "clinic.example", "127.0.0.1.example", "::ffff:10.0.0.1"]
PUBLIC_ADDRESSES: list[Any] = [*((host, 5000) for host in PUBLIC), ("", 5000), 3]


@pytest.mark.parametrize("app_env", ["development", "test"])
@pytest.mark.parametrize("host", PUBLIC)
def test_development_and_test_refuse_a_host_that_is_not_loopback(read: Read, app_env: str, host: str) -> None:
    error = configuration_error(read, APP_ENV=app_env, HOST=host)

    assert f"HOST: {host} is not a loopback address" in error
    assert "set HOST=127.0.0.1, APP_ENV=production, or ALLOW_PUBLIC_DEVELOPMENT=true" in error


@pytest.mark.parametrize("host", LOOPBACK)
def test_development_listens_on_loopback(read: Read, host: str) -> None:
    assert read(HOST=host).host == host


def test_an_empty_host_is_the_default(read: Read) -> None:
    assert read(HOST="").host == "127.0.0.1"


def test_development_listens_on_any_address_when_allowed_explicitly(read: Read) -> None:
    assert read(HOST="0.0.0.0", ALLOW_PUBLIC_DEVELOPMENT="true").host == "0.0.0.0"
    assert "HOST: 0.0.0.0 is not" in configuration_error(read, HOST="0.0.0.0", ALLOW_PUBLIC_DEVELOPMENT="false")


@pytest.mark.parametrize("host", PUBLIC)
def test_production_reads_any_address(read: Read, host: str) -> None:
    assert read(**PRODUCTION, HOST=host).host == host


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES, ids=str)
def test_development_refuses_to_bind_an_address_that_is_not_loopback(read: Read, address: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a loopback address"):
        check_addresses(read(), [("127.0.0.1", 5000), address])


@pytest.mark.parametrize("env", [{}, PRODUCTION], ids=["development", "production"])
@pytest.mark.parametrize("address", [*((host, 5000) for host in LOOPBACK), "/run/arthomed.sock"], ids=str)
def test_loopback_and_unix_sockets_are_bound_without_a_proxy(read: Read, env: dict[str, str], address: Any) -> None:
    check_addresses(read(**env), [address])


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES, ids=str)
def test_production_without_a_proxy_refuses_to_bind_an_address_that_is_not_loopback(read: Read, address: Any) -> None:
    with pytest.raises(ConfigurationError, match="a few slow connections stop gunicorn unless a proxy buffers them"):
        check_addresses(read(**PRODUCTION, ALLOW_PUBLIC_DEVELOPMENT="true"), [("127.0.0.1", 5000), address])


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES, ids=str)
def test_production_behind_a_proxy_binds_any_address(read: Read, address: Any) -> None:
    check_addresses(read(**PRODUCTION, TRUSTED_PROXIES="1"), [address])


def test_a_proxy_does_not_let_development_bind_any_address(read: Read) -> None:
    with pytest.raises(ConfigurationError, match="publishes one-time codes"):
        check_addresses(read(TRUSTED_PROXIES="1"), [("0.0.0.0", 5000)])


def test_development_binds_any_address_when_allowed_explicitly(read: Read) -> None:
    check_addresses(read(ALLOW_PUBLIC_DEVELOPMENT="true"), [("0.0.0.0", 5000)])
