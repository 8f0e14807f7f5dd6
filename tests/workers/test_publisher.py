"""Asking for a job when the broker can't take it."""

import socket
import time
from collections.abc import Iterator

import pytest

from arthomed.core.jobs import Job, JobsUnavailable
from arthomed.infra.queue import CeleryJobs

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
        jobs.enqueue(Job.SWEEP_MESSAGES)
    assert time.monotonic() - begun < SECONDS
