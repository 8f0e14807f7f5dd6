"""A worker that is stopped, or has grown too big, loses nothing of what it was at."""

import os
import signal

import pytest
from redis import Redis

from tests.stack import wait_for
from tests.workers.conftest import StartWorker

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.long]


def test_a_worker_that_is_stopped_ends_what_it_does_and_a_process_over_its_memory_is_replaced(
    start_worker: StartWorker,
) -> None:
    with start_worker("-c", "1", "--max-memory-per-child", "1") as worker:
        worker.ask("default.rest", 0)
        worker.wait_for("rest_ended")
        worker.ask("default.rest", 1)
        worker.wait_for("rest_begun", times=2)

        os.kill(worker.process.pid, signal.SIGTERM)

        assert worker.process.wait() == 0
        assert len(worker.said("rest_ended")) == 2
        assert len(set(worker.said(r"rest_begun .*pid=(\d+)"))) == 2


def test_a_worker_that_is_stopped_gives_back_what_takes_too_long(
    start_worker: StartWorker, environment: dict[str, str]
) -> None:
    with (
        start_worker("-c", "1", env={"WORKER_STOP_SECONDS": "1"}) as worker,
        Redis.from_url(environment["REDIS_URL"]) as redis,
    ):
        worker.ask("default.rest", 60)
        worker.wait_for("rest_begun")

        os.kill(worker.process.pid, signal.SIGTERM)

        wait_for(lambda: worker.process.exit_code is not None, seconds=10, what="the worker's end")
        assert redis.llen("default") == 1
