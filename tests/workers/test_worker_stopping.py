"""A worker that is stopped, or exceeds its memory limit, loses no task."""

import os
import signal

import pytest
from redis import Redis

from tests.stack import wait_for
from tests.workers.conftest import StartWorker

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.long]


def test_a_stopped_worker_finishes_its_task_and_a_process_above_its_memory_limit_is_replaced(
    start_worker: StartWorker,
) -> None:
    with start_worker("-c", "1", "--max-memory-per-child", "1") as worker:
        worker.send_task("default.sleep", "0")
        worker.wait_for("sleep_finished")
        worker.send_task("default.sleep", "1")
        worker.wait_for("sleep_started", times=2)

        os.kill(worker.process.pid, signal.SIGTERM)

        assert worker.process.wait() == 0
        assert len(worker.logged("sleep_finished")) == 2
        assert len(set(worker.logged(r"sleep_started .*pid=(\d+)"))) == 2


def test_a_stopped_worker_returns_a_task_that_takes_too_long_to_the_broker(
    start_worker: StartWorker, environment: dict[str, str]
) -> None:
    with (
        start_worker("-c", "1", env={"WORKER_STOP_SECONDS": "1"}) as worker,
        Redis.from_url(environment["REDIS_URL"]) as redis,
    ):
        worker.send_task("default.sleep", "60")
        worker.wait_for("sleep_started")

        os.kill(worker.process.pid, signal.SIGTERM)

        wait_for(lambda: worker.process.exit_code is not None, seconds=10, what="the worker's end")
        assert redis.llen("default") == 1
