"""Every client of rediss:// verifies the certificate of the server: web, producer, worker and beat."""

import runpy
import ssl
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from celery import Celery
from kombu.exceptions import OperationalError
from redbeat.schedulers import get_redis
from redis.exceptions import RedisError

from arthomed.core.errors import ServiceUnavailable
from arthomed.core.jobs import Job, JobRequest, JobsUnavailable
from arthomed.core.quota import Quota
from arthomed.infra.queue import CeleryJobs
from arthomed.infra.quota import RedisQuotaCounter
from dev.servers import Valkey
from tests import factories
from tests.stack import ROOT
from tests.tls_proxy import TlsProxy, tls_proxy

REFUSALS = (JobsUnavailable, ServiceUnavailable, OperationalError, RedisError)


def configured() -> Celery:
    """Celery with the configuration of workers and beat, as they read it."""
    app = Celery("tests", set_as_current=False)
    found = runpy.run_path(str(ROOT / "celeryconfig.py"))
    app.conf.update({name: value for name, value in found.items() if name.islower() and not name.startswith("_")})
    return app


def publish(url: str) -> None:
    CeleryJobs(url).enqueue([JobRequest(Job.SWEEP_SCANS, ())])


def consume(_url: str) -> None:
    with configured().connection_for_read() as connection:
        connection.ensure_connection(max_retries=0, timeout=5)
        connection.default_channel.client.ping()


def schedule(_url: str) -> None:
    with get_redis(configured()) as redis:
        redis.ping()


def count(url: str) -> None:

    RedisQuotaCounter(url).take([Quota("tls", 5, timedelta(seconds=5))])


CLIENTS = {"producer": publish, "worker": consume, "beat": schedule, "quotas": count}
Use = Callable[[str], None]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(found)
    return found


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "trusted.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))


def run(use: Use, url: str) -> None:
    with factories.environment(REDIS_URL=url):
        use(url)


@pytest.fixture
def proxy(valkey: Valkey, authority: trustme.CA) -> Iterator[TlsProxy]:
    with tls_proxy(valkey.port, context(authority, "localhost")) as found:
        yield found


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.usefixtures("trusted")
def test_a_server_with_a_valid_certificate_is_used(proxy: TlsProxy, name: str) -> None:
    run(CLIENTS[name], f"rediss://localhost:{proxy.port}/5")

    assert proxy.handshakes[0]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_server_with_an_unknown_certificate_gets_nothing(proxy: TlsProxy, name: str) -> None:
    with pytest.raises(REFUSALS):
        run(CLIENTS[name], f"rediss://:hunter2@localhost:{proxy.port}/5")

    assert not any(proxy.handshakes)


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.usefixtures("trusted")
def test_a_server_with_the_certificate_of_another_gets_nothing(
    valkey: Valkey, authority: trustme.CA, name: str
) -> None:
    with tls_proxy(valkey.port, context(authority, "elsewhere.example")) as proxy, pytest.raises(REFUSALS):
        run(CLIENTS[name], f"rediss://localhost:{proxy.port}/5")

    assert not any(proxy.handshakes)


@pytest.mark.parametrize("name", ["producer", "worker"])
def test_verification_can_be_turned_off_in_the_url(proxy: TlsProxy, name: str) -> None:
    run(CLIENTS[name], f"rediss://localhost:{proxy.port}/5?ssl_cert_reqs=none&ssl_check_hostname=false")

    assert proxy.handshakes[0]
