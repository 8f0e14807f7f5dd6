"""The Celery application in this process, and workers as processes of their own."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from arthomed.core import origin
from dev.processes import Process
from tests.factories import Records
from tests.stack import BIN, QUEUES, Stack, wait_for


class Worker:
    """A worker process that also has the tasks of misbehaving.py."""

    def __init__(self, stack: Stack, *options: str) -> None:
        command = ("celery", "-A", "tests.workers.misbehaving", "worker", "-Q", QUEUES, "-n", f"{stack.port}@%h")
        self.process: Process = stack.start("worker", BIN / command[0], *command[1:], *options)
        self._celery = Celery("tests", broker=stack.env["REDIS_URL"], set_as_current=False)

    def send_task(self, job: str, *args: str) -> str:
        """Enqueue any job without a request id; returns the id of its task."""
        origin.set_current(origin.SYSTEM)
        return str(self._celery.send_task(job, args=args, queue=job.partition(".")[0]).id)

    def logged(self, pattern: str) -> list[str]:
        """All matches of a pattern in the worker's log."""
        return re.findall(pattern, self.process.log.read_text())

    def wait_for(self, pattern: str, times: int = 1) -> list[str]:
        return wait_for(
            lambda: found if len(found := self.logged(pattern)) >= times else None, seconds=60, what=pattern
        )


StartWorker = Callable[..., AbstractContextManager[Worker]]


@pytest.fixture(scope="module")
def start_worker(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> StartWorker:
    """Start a worker with the servers and the database of the application in this process."""

    @contextmanager
    def start(*options: str, env: Mapping[str, str] | None = None) -> Iterator[Worker]:
        folder: Path = tmp_path_factory.mktemp("worker")
        stack = Stack(
            folder,
            mongodb_uri=environment["MONGODB_URI"],
            redis_url=environment["REDIS_URL"],
            env={"VAR_DIR": environment["VAR_DIR"], **(env or {})},
        )
        try:
            yield Worker(stack, *options)
        finally:
            stack.stop()

    return start


@pytest.fixture
def failed_jobs(database: Records) -> Callable[[], list[dict[str, Any]]]:
    return lambda: list(database.failed_jobs.find())
