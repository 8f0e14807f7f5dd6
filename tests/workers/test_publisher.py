"""Publishing jobs while the broker is unavailable."""

import socket
import time
from collections.abc import Iterator

import pytest

from arthomed.core.jobs import Job, JobRequest, JobsUnavailable
from arthomed.infra.queue import CeleryJobs
from dev.servers import free_port

SECONDS = 1.0  # after which a request gets its response without the broker


@pytest.fixture(params=["refusing", "silent"])
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a broker that refuses connections, or accepts them and does not answer."""
    if request.param == "refusing":
        yield f"redis://127.0.0.1:{free_port()}/0"
        return
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"redis://127.0.0.1:{silent.getsockname()[1]}/0"


def test_publishing_gives_up_within_a_second(broker: str) -> None:
    jobs = CeleryJobs(broker)
    started = time.monotonic()
    with pytest.raises(JobsUnavailable):
        jobs.enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])
    assert time.monotonic() - started < SECONDS


def test_jobs_just_after_a_timeout_are_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        jobs = CeleryJobs(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        with pytest.raises(JobsUnavailable):
            jobs.enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])
        started = time.monotonic()
        for _ in range(20):
            with pytest.raises(JobsUnavailable):
                jobs.enqueue([JobRequest(Job.SWEEP_MESSAGES, ())])

    assert time.monotonic() - started < SECONDS
