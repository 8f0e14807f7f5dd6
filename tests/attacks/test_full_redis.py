"""A Redis without memory (noeviction) still answers a ping and reads; it is not ready all the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from redis.exceptions import OutOfMemoryError

from arthomed.infra import heartbeat, redis_check
from dev.servers import Mongo, Valkey
from tests import factories
from tests.attacks.malformed_entries import TASK, dump, job
from tests.factories import Records, envelope_of, error_of
from tests.stack import stack_with, wait_for

QUEUE = TASK.partition(".")[0]


class OwnRedis:
    """A Valkey that can be full."""

    def __init__(self, server: Valkey, client: Any) -> None:
        self.server, self.client = server, client
        client.config_set("maxmemory-policy", "noeviction")

    def fill(self) -> None:
        self.client.config_set("maxmemory", 1)
        with pytest.raises(OutOfMemoryError):
            self.client.set("more", "data")

    def free(self) -> None:
        self.client.config_set("maxmemory", 0)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    with Valkey(tmp_path / "valkey", tmp_path) as server, Redis.from_url(server.url) as client:
        yield OwnRedis(server, client)


@pytest.fixture
def client(app: Flask, database: Records, own_redis: OwnRedis) -> Iterator[FlaskClient]:
    """A client of an application with this Redis and a worker that is alive."""
    heartbeat.beat(own_redis.client, "worker@one")
    with factories.another_app(redis_url=own_redis.server.url) as application:
        yield application.test_client()


def failed_dependencies(client: FlaskClient) -> set[str]:
    dependencies = envelope_of(client.get("/health/ready"))["dependencies"]
    return {name for name, dependency in dependencies.items() if not dependency["ok"]}


def test_a_full_redis_is_named_by_the_next_check_of_readiness(client: FlaskClient, own_redis: OwnRedis) -> None:
    own_redis.fill()
    assert failed_dependencies(client) == {"redis"}

    own_redis.free()
    wait_for(lambda: not failed_dependencies(client), seconds=5, what="readiness")


def test_the_check_at_the_start_names_the_reason_why_redis_refuses_writes(own_redis: OwnRedis) -> None:
    url = own_redis.server.url
    assert redis_check.problem_of(url) is None

    own_redis.fill()
    full = redis_check.problem_of(url)
    own_redis.free()
    own_redis.client.replicaof("127.0.0.1", 1)
    replica = redis_check.problem_of(url)

    assert full == "Redis refuses writes; see REDIS_URL (command not allowed when used memory > 'maxmemory')"
    assert replica == "Redis refuses writes; see REDIS_URL (You can't write against a read only replica)"


def test_with_a_full_redis_no_code_can_be_requested_and_all_else_works(
    client: FlaskClient, own_redis: OwnRedis
) -> None:
    own_redis.fill()

    code = client.post("/api/auth/send-otp", json={"mobileNumber": factories.new_mobile()})
    assert error_of(code) == (503, "SERVICE_UNAVAILABLE")
    patient = factories.sign_in(client.application)
    assert client.get("/api/auth/me", headers=patient.headers).status_code == 200
    body = factories.booking_body(factories.make_doctor())
    assert client.post("/api/appointments/book", json=body, headers=patient.headers).status_code == 201


@pytest.mark.long
def test_a_worker_survives_a_full_redis(mongo: Mongo, own_redis: OwnRedis, tmp_path: Path) -> None:
    with stack_with(mongo, own_redis.server, tmp_path / "stack", redis=0) as stack:
        assert stack.worker is not None
        assert stack.beat is not None
        worker, beat = stack.worker, stack.beat
        own_redis.client.lpush(QUEUE, *(dump(job(str(number))) for number in range(200)))
        own_redis.fill()
        wait_for(lambda: stack.readiness() == "degraded", seconds=5, what="the failed check")
        wait_for(lambda: "OutOfMemoryError" in worker.log.read_text(), seconds=30, what="a refused write of the worker")

        own_redis.free()
        own_redis.client.lpush(QUEUE, dump(job("later")))
        wait_for(lambda: f"{TASK}:later" in stack.flask("jobs", "failed").stdout, seconds=60, what="a later job")
        stack.wait_until_ready()
        assert (worker.exit_code, beat.exit_code) == (None, None)
