"""Whether the process lives, and what only development shows."""

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from arthomed import __version__
from arthomed.config import AppEnv, settings
from arthomed.infra import heartbeat
from dev.servers import free_port
from tests import factories
from tests.factories import envelope_of, refused


@pytest.fixture
def alone(app: Flask, client: FlaskClient) -> Iterator[FlaskClient]:
    """A client of the application with neither database nor Redis."""
    del app, client
    nowhere = f"127.0.0.1:{free_port()}"
    with factories.another_app(mongodb_uri=f"mongodb://{nowhere}/clinic", redis_url=f"redis://{nowhere}/0") as lonely:
        yield lonely.test_client()


@pytest.fixture
def production(app: Flask, client: FlaskClient) -> Iterator[FlaskClient]:
    del app, client
    with factories.another_app(app_env=AppEnv.PRODUCTION) as application:
        yield application.test_client()


def test_health_tells_these_things_without_an_envelope(client: FlaskClient) -> None:
    told = envelope_of(client.get("/health"))

    assert set(told) == {"uptime", "message", "timestamp", "environment", "version"}
    assert (told["message"], told["environment"], told["version"]) == ("OK", "test", __version__)


def test_health_needs_nobody_else(alone: FlaskClient) -> None:
    assert alone.get("/health").status_code == 200


def test_readiness_names_each_dependency_with_its_latency(client: FlaskClient) -> None:
    found = envelope_of(client.get("/health/ready"))["dependencies"]

    assert set(found) == {"mongo", "redis", "workers"}
    assert [set(one) for one in found.values()] == [{"ok", "latencyMs"}] * 3


def test_readiness_tells_how_many_workers_live_and_how_old_their_newest_sign_is(client: FlaskClient) -> None:
    with Redis.from_url(settings().redis_url) as redis:
        heartbeat.beat(redis, "worker@one")
        found = envelope_of(client.get("/health/ready"))["dependencies"]["workers"]

    assert (found["ok"], found["alive"]) == (True, 1)
    assert 0 <= found["ageMs"] < 5000


def readiness(client: FlaskClient) -> tuple[int, str, set[str]]:
    """The status of the response, what it says of the whole, and which dependencies it names as away."""
    response = client.get("/health/ready")
    told = envelope_of(response)
    return response.status_code, told["status"], {name for name, one in told["dependencies"].items() if not one["ok"]}


def test_readiness_is_full_with_all_dependencies_there(client: FlaskClient) -> None:
    with Redis.from_url(settings().redis_url) as redis:
        heartbeat.beat(redis, "worker@one")

    assert readiness(client) == (200, "ready", set())


def test_readiness_is_degraded_while_there_is_no_worker(client: FlaskClient) -> None:
    assert readiness(client) == (200, "degraded", {"workers"})


def test_readiness_is_degraded_while_there_is_no_broker(client: FlaskClient) -> None:
    with factories.another_app(redis_url=f"redis://127.0.0.1:{free_port()}/0") as brokerless:
        assert readiness(brokerless.test_client()) == (200, "degraded", {"redis", "workers"})


def test_nothing_is_ready_without_the_database(alone: FlaskClient) -> None:
    assert readiness(alone) == (503, "unavailable", {"mongo", "redis", "workers"})


@pytest.mark.parametrize("path", ["/dev/mailbox", "/dev/mailbox.json"])
def test_production_has_no_mailbox(production: FlaskClient, path: str) -> None:
    assert refused(production.get(path)) == (404, "NOT_FOUND")


def test_the_mailbox_is_empty_at_first(client: FlaskClient) -> None:
    assert envelope_of(client.get("/dev/mailbox.json?to=nobody")) == {"items": []}
