"""Asking for background work by name."""

import json
from collections.abc import Iterator

import pytest
from redis import Redis

from arthomed.core import jobs
from arthomed.core.jobs import Job, JobRequest, JobsUnavailable
from arthomed.core.origin import Origin
from arthomed.infra.queue import CeleryJobs
from dev.servers import Valkey, free_port


@pytest.fixture(autouse=True)
def _queue_from_before() -> Iterator[None]:
    """Whatever queue a test installs, the one from before is back after it."""
    before = jobs._queue
    yield
    jobs._queue = before


@pytest.fixture
def broker_away() -> None:
    jobs.use(CeleryJobs(f"redis://127.0.0.1:{free_port()}/0"))


def test_a_process_that_was_not_wired_says_so() -> None:
    jobs._queue = None

    with pytest.raises(RuntimeError, match="wire"):
        jobs.enqueue(Job.SEND_SMS, "1")


@pytest.mark.parametrize("job", Job)
def test_a_job_waits_in_the_queue_that_its_name_begins_with(valkey: Valkey, job: Job) -> None:
    queue = job.partition(".")[0]
    with Redis.from_url(valkey.url) as redis:
        redis.flushdb()
        jobs.use(CeleryJobs(valkey.url))

        jobs.enqueue(job, "672b1234a1b2c3d4e5f60718")

        assert redis.llen(queue) == 1


def test_jobs_that_are_asked_for_together_wait_in_order_each_for_its_request(valkey: Valkey) -> None:
    asked = [
        JobRequest(job, (str(at),), Origin(f"request-{at}")) for at, job in enumerate([*2 * [Job.SEND_SMS], Job.EXPORT])
    ]
    with Redis.from_url(valkey.url) as redis:
        redis.flushdb()
        jobs.use(CeleryJobs(valkey.url))

        jobs.enqueue_all(asked)
        headers = [
            json.loads(one)["headers"] for queue in ("sms", "default") for one in redis.lrange(queue, 0, -1)[::-1]
        ]

    assert [(one["task"], one["request_id"]) for one in headers] == [
        (Job.SEND_SMS, "request-0"),
        (Job.SEND_SMS, "request-1"),
        (Job.EXPORT, "request-2"),
    ]


@pytest.mark.usefixtures("broker_away")
def test_to_ask_for_nothing_needs_no_broker() -> None:
    jobs.enqueue_all([])


@pytest.mark.usefixtures("broker_away")
def test_a_job_that_can_not_be_asked_for_is_refused() -> None:
    with pytest.raises(JobsUnavailable):
        jobs.enqueue(Job.SEND_SMS, "1")
