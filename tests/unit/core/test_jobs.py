"""Enqueueing background jobs by name."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from arthomed.core import jobs, origin
from arthomed.core.jobs import Job, JobRequest
from arthomed.core.origin import Origin
from arthomed.infra.queue import CeleryJobs
from dev.servers import Valkey, free_port


@pytest.fixture(autouse=True)
def _queue_of_the_other_tests(environment: dict[str, str]) -> Iterator[None]:
    yield
    jobs.use(CeleryJobs(environment["REDIS_URL"]))


@pytest.fixture
def redis(valkey: Valkey) -> Iterator[Any]:
    """An empty broker, which this process uses."""
    with Redis.from_url(valkey.url) as redis:
        redis.flushdb()
        jobs.use(CeleryJobs(valkey.url))
        yield redis


@pytest.fixture
def broker_unavailable() -> None:
    jobs.use(CeleryJobs(f"redis://127.0.0.1:{free_port()}/0"))


def test_enqueueing_without_an_installed_queue_names_the_missing_step() -> None:
    program = "from arthomed.core import jobs; jobs.enqueue(jobs.Job.SEND_SMS, '1')"

    process = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60)

    assert process.stderr.splitlines()[-1] == (
        "RuntimeError: no job queue is installed; call arthomed.app.wire() first"
    )


@pytest.mark.parametrize("job", Job)
def test_the_part_of_a_job_s_name_before_the_dot_is_its_queue(redis: Any, job: Job) -> None:
    jobs.enqueue(job, "672b1234a1b2c3d4e5f60718")

    assert redis.llen(job.partition(".")[0]) == 1


def test_jobs_enqueued_together_keep_their_order_and_have_the_id_of_the_request(redis: Any) -> None:
    requests = [JobRequest(job, (str(at),)) for at, job in enumerate([Job.SEND_SMS, Job.SEND_SMS, Job.EXPORT])]

    with origin.override(Origin("request-1")):
        jobs.enqueue_all(requests)

    messages = [json.loads(one) for queue in ("sms", "default") for one in redis.lrange(queue, 0, -1)[::-1]]
    assert [(one["headers"]["task"], one["headers"]["argsrepr"], one["headers"]["request_id"]) for one in messages] == [
        (Job.SEND_SMS, "('0',)", "request-1"),
        (Job.SEND_SMS, "('1',)", "request-1"),
        (Job.EXPORT, "('2',)", "request-1"),
    ]


@pytest.mark.usefixtures("broker_unavailable")
def test_enqueueing_no_jobs_needs_no_broker() -> None:
    jobs.enqueue_all([])
