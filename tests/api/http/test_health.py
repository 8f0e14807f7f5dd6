"""Health, readiness, and the mailbox of development."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from arthomed import __version__
from arthomed.config import settings
from arthomed.http.monitoring import CachedChecks
from arthomed.infra import heartbeat
from dev.servers import Valkey, free_port
from tests import factories
from tests.factories import envelope_of, in_parallel
from tests.stack import wait_for


@pytest.fixture
def alone(app: Flask, client: FlaskClient) -> Iterator[FlaskClient]:
    """A client of the application without database and Redis."""
    del app, client
    nowhere = f"127.0.0.1:{free_port()}"
    with factories.another_app(mongodb_uri=f"mongodb://{nowhere}/clinic", redis_url=f"redis://{nowhere}/0") as lonely:
        yield lonely.test_client()


@pytest.fixture
def unchecked(app: Flask, client: FlaskClient) -> Iterator[FlaskClient]:
    """A client of an application that has not checked its dependencies yet."""
    del app, client
    with factories.another_app() as application:
        yield application.test_client()


def test_health_has_only_the_documented_fields_and_no_envelope(client: FlaskClient) -> None:
    body = envelope_of(client.get("/health"))

    assert set(body) == {"uptime", "message", "timestamp", "environment", "version"}
    assert (body["message"], body["environment"], body["version"]) == ("OK", "test", __version__)


def test_the_timestamp_of_health_is_in_milliseconds(client: FlaskClient) -> None:
    before = time.time_ns() // 1_000_000
    timestamp = envelope_of(client.get("/health"))["timestamp"]

    assert isinstance(timestamp, int)
    assert before <= timestamp <= time.time_ns() // 1_000_000


def test_health_needs_no_dependency(alone: FlaskClient) -> None:
    assert alone.get("/health").status_code == 200


def test_readiness_lists_each_dependency_with_its_latency(unchecked: FlaskClient) -> None:
    found = envelope_of(unchecked.get("/health/ready"))["dependencies"]

    assert set(found) == {"mongo", "redis", "workers"}
    assert [set(one) for one in found.values()] == [{"ok", "latencyMs"}] * 3


def test_readiness_has_the_number_of_live_workers_and_the_age_of_the_latest_heartbeat(unchecked: FlaskClient) -> None:
    with Redis.from_url(settings().redis_url) as redis:
        heartbeat.beat(redis, "worker@one")
        found = envelope_of(unchecked.get("/health/ready"))["dependencies"]["workers"]

    assert (found["ok"], found["alive"]) == (True, 1)
    assert 0 <= found["ageMs"] < 5000


def readiness(client: FlaskClient) -> tuple[int, str, set[str]]:
    """The HTTP status, the overall status and the unavailable dependencies."""
    response = client.get("/health/ready")
    body = envelope_of(response)
    return response.status_code, body["status"], {name for name, one in body["dependencies"].items() if not one["ok"]}


def test_readiness_is_ready_with_all_dependencies(unchecked: FlaskClient) -> None:
    with Redis.from_url(settings().redis_url) as redis:
        heartbeat.beat(redis, "worker@one")

    assert readiness(unchecked) == (200, "ready", set())


def test_readiness_is_degraded_without_a_worker(unchecked: FlaskClient) -> None:
    assert readiness(unchecked) == (200, "degraded", {"workers"})


def test_readiness_is_degraded_without_redis(client: FlaskClient) -> None:
    with factories.another_app(redis_url=f"redis://127.0.0.1:{free_port()}/0") as without_redis:
        assert readiness(without_redis.test_client()) == (200, "degraded", {"redis", "workers"})


def test_readiness_is_unavailable_without_the_database(alone: FlaskClient) -> None:
    assert readiness(alone) == (503, "unavailable", {"mongo", "redis", "workers"})


def test_the_dependencies_are_checked_once_a_second(client: FlaskClient, tmp_path: Path) -> None:
    def writes(redis: Any) -> int:
        return int(redis.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"])

    with (
        Valkey(tmp_path / "valkey", tmp_path) as server,
        Redis.from_url(server.url) as redis,
        factories.another_app(redis_url=server.url) as app,
    ):
        before, started = writes(redis), time.monotonic()
        in_parallel(8, lambda _: app.test_client().get("/health/ready"))
        app.test_client().get("/health/ready")
        checked = writes(redis) - before
        assert checked == 1 or time.monotonic() - started > 1

        assert "redis" not in readiness(app.test_client())[2]
        server.stop()
        wait_for(lambda: "redis" in readiness(app.test_client())[2], seconds=5, what="a failed check")


def test_requests_get_the_previous_results_while_a_check_hangs() -> None:
    started, released = Event(), Event()
    released.set()

    def check() -> None:
        started.set()
        assert released.wait(10)

    checks = CachedChecks({"redis": check}, seconds=0)
    previous = checks.results()
    started.clear()
    released.clear()
    with ThreadPoolExecutor() as pool:
        refresh, _ = pool.submit(checks.results), started.wait(10)
        try:
            readers = [pool.submit(checks.results) for _ in range(4)]
            assert [reader.result(timeout=5) for reader in readers] == [previous] * 4
        finally:
            released.set()
        assert refresh.result() is not previous


def test_the_first_requests_wait_for_the_first_results() -> None:
    started, released = Event(), Event()

    def check() -> None:
        started.set()
        assert released.wait(10)

    checks = CachedChecks({"redis": check})
    with ThreadPoolExecutor() as pool:
        requests = [pool.submit(checks.results) for _ in range(4)]
        assert started.wait(10)
        released.set()
        results = [request.result(timeout=5) for request in requests]

    assert [result["redis"]["ok"] for result in results] == [True] * 4


def test_the_mailbox_of_an_unknown_address_is_empty(client: FlaskClient) -> None:
    assert envelope_of(client.get("/dev/mailbox.json?to=nobody")) == {"items": []}
