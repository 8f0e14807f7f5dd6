"""Asking for a job as Celery would, and when the broker can't take it."""

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

SECONDS = 1.0  # within which the web process has to know


@pytest.fixture(params=["away", "silent"])
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a broker that refuses connections, or takes them and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if request.param == "away":
            listener.close()
            yield "redis://127.0.0.1:1/0"
        else:
            yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_the_publisher_gives_up_within_a_second(broker: str) -> None:
    jobs = CeleryJobs(broker)
    begun = time.monotonic()
    with pytest.raises(JobsUnavailable):
        jobs.enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])
    assert time.monotonic() - begun < SECONDS


def test_who_asks_just_after_a_silence_does_not_wait_for_it_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        jobs = CeleryJobs(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        with pytest.raises(JobsUnavailable):
            jobs.enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])
        begun = time.monotonic()
        for _ in range(20):
            with pytest.raises(JobsUnavailable):
                jobs.enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])

    assert time.monotonic() - begun < SECONDS


def test_a_message_is_as_celery_itself_writes_it(valkey: Valkey) -> None:
    with Redis.from_url(valkey.url) as redis:
        redis.flushdb()
        CeleryJobs(valkey.url).enqueue([JobRequest(Job.SEND_SMS, ("672b1234a1b2c3d4e5f60718",))])
        celery = Celery("the-tests", broker=valkey.url, set_as_current=False)
        celery.send_task(Job.SEND_SMS, args=["672b1234a1b2c3d4e5f60718"], queue="sms", ignore_result=True)

        theirs, ours = (json.loads(raw) for raw in redis.lrange("sms", 0, -1))

    assert shape(ours) == {name: value for name, value in shape(theirs).items() if name in shape(ours)}
    assert json.loads(b64decode(ours["body"])) == json.loads(b64decode(theirs["body"]))


def shape(message: dict[str, Any]) -> dict[str, Any]:
    """A message, flat, without what names this one alone."""
    of_its_own = {"body", "id", "root_id", "correlation_id", "delivery_tag", "argsrepr", "asked_at", "request_id"}
    flat = {**message, **message["headers"], **message["properties"]}
    return {name: value for name, value in flat.items() if name not in {*of_its_own, "headers", "properties"}}
