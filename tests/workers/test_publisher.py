"""Jobs are published as Celery messages, and the publisher fails fast when the broker is unavailable."""

import json
import socket
import time
from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from arthomed.core.jobs import Job, JobRequest, JobsUnavailable
from arthomed.infra.queue import CeleryJobs
from dev.servers import Valkey

SECONDS = 1.0  # the time limit of the publisher


@pytest.fixture(params=["unavailable", "silent"])
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a broker that refuses connections, or that accepts them and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if request.param == "unavailable":
            listener.close()
            yield "redis://127.0.0.1:1/0"
        else:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_the_publisher_fails_within_a_second(broker: str) -> None:
    jobs = CeleryJobs(broker)
    started = time.monotonic()
    with pytest.raises(JobsUnavailable):
        jobs.enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])
    assert time.monotonic() - started < SECONDS


def test_after_a_timeout_the_next_jobs_fail_without_waiting_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        jobs = CeleryJobs(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        with pytest.raises(JobsUnavailable):
            jobs.enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])
        started = time.monotonic()
        for _ in range(20):
            with pytest.raises(JobsUnavailable):
                jobs.enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])

    assert time.monotonic() - started < SECONDS


def test_a_message_equals_the_message_of_celery(valkey: Valkey) -> None:
    with Redis.from_url(valkey.url) as redis:
        redis.flushdb()
        CeleryJobs(valkey.url).enqueue([JobRequest(Job.SEND_SMS, ("672b1234a1b2c3d4e5f60718",))])
        celery = Celery("tests", broker=valkey.url, set_as_current=False)
        celery.send_task(Job.SEND_SMS, args=["672b1234a1b2c3d4e5f60718"], queue="sms", ignore_result=True)

        celery_message, published = (json.loads(raw) for raw in redis.lrange("sms", 0, -1))

    assert shape(published) == {
        name: value for name, value in shape(celery_message).items() if name in shape(published)
    }
    assert json.loads(b64decode(published["body"])) == json.loads(b64decode(celery_message["body"]))


def shape(message: dict[str, Any]) -> dict[str, Any]:
    """The message as a flat dictionary, without the fields that are unique for each message."""
    unique = {"body", "id", "root_id", "correlation_id", "delivery_tag", "argsrepr", "asked_at", "request_id"}
    flat = {**message, **message["headers"], **message["properties"]}
    return {name: value for name, value in flat.items() if name not in {*unique, "headers", "properties"}}
