"""The base class of all tasks: retries with backoff, dead letters, and a lock for periodic jobs."""

import time
from contextlib import nullcontext
from typing import Any, NoReturn

import structlog
from celery import Task
from celery.exceptions import Reject, Retry, TimeLimitExceeded
from celery.utils.time import get_exponential_backoff_interval
from pymongo.errors import PyMongoError

from arthomed.core import error_reporting, metrics
from arthomed.core.documents import is_database_unavailable
from arthomed.core.errors import ServiceUnavailable
from arthomed.core.jobs import JobsUnavailable
from arthomed.core.metrics import Outcome
from arthomed.files.storage import StorageUnavailable
from arthomed.infra import failed_jobs
from workers import deliveries, lock

log = structlog.get_logger()

_UNAVAILABLE = (JobsUnavailable, ServiceUnavailable, StorageUnavailable)
_MIN_BACKOFF, _MAX_BACKOFF = 2, 120  # seconds; far below the broker's visibility timeout


class ClinicTask(Task):
    """A task; with `single_run`, at most one run of it is in progress, as periodic jobs need.

    If a dependency is unavailable, the task is retried for about three minutes with exponential backoff and jitter.
    All other errors are faults of the program and are not retried.
    """

    max_retries = 8
    acks_on_timeout = False  # the next delivery records the failure, see deliveries
    single_run = False

    def __call__(self, *ids: str) -> None:
        """Run the job and record its duration and outcome."""
        started, outcome = time.perf_counter(), Outcome.FAILED
        try:
            outcome = self._attempt(ids)
        except (Retry, Reject):
            outcome = Outcome.RETRIED
            raise
        finally:
            metrics.JOB_RUNS.observe(time.perf_counter() - started, self.name, outcome)

    def on_failure(self, exc: Exception, task_id: str, *_: object) -> None:
        """Mark a task that was killed at the hard time limit.

        Celery calls this in the worker's main process, which has no connection to the database.
        """
        if isinstance(exc, TimeLimitExceeded):
            deliveries.forbid(task_id)

    def _attempt(self, ids: tuple[str, ...]) -> Outcome:
        task_id = self.request.id
        if reason := deliveries.start(task_id):
            self._record_failure(ids, reason, deliveries.MAX_DELIVERIES)
            deliveries.finish(task_id)
            return Outcome.FAILED
        try:
            outcome = self._run(ids)
        except Exception:  # not SystemExit: a task of a stopped process has not finished
            deliveries.finish(task_id)
            raise
        deliveries.finish(task_id)
        return outcome

    def _run(self, ids: tuple[str, ...]) -> Outcome:
        try:
            with lock.exclusive(self.name) if self.single_run else nullcontext():
                self.run(*ids)
        except lock.AlreadyRunning:
            self._skip()
            return Outcome.SKIPPED
        except Exception as error:
            self._retry_or_record_failure(ids, error)
            raise
        return Outcome.DONE

    def _skip(self) -> None:
        """Skip the run. A redelivered message is retried later: the lock may be that of its own killed delivery."""
        if self.request.delivery_info.get("redelivered"):
            self._schedule_retry(None, delay=lock.LIFETIME_SECONDS + 1)
        log.info("job_already_running")

    def _retry_or_record_failure(self, ids: tuple[str, ...], error: Exception) -> None:
        retries = self.request.retries
        if (isinstance(error, _UNAVAILABLE) or is_database_unavailable(error)) and retries < self.max_retries:
            backoff = get_exponential_backoff_interval(_MIN_BACKOFF, retries, _MAX_BACKOFF, full_jitter=True)
            self._schedule_retry(error, delay=backoff)
        self._record_failure(ids, type(error).__name__, retries + 1)
        error_reporting.report(error, self.name)

    def _record_failure(self, ids: tuple[str, ...], error: str, attempts: int) -> None:
        """Store a dead letter; retry the task while the database is unavailable."""
        log.error("job_failed_for_good", error=error, attempts=attempts)
        try:
            failed_jobs.record(self.name, ids, error=error, attempts=attempts)
        except PyMongoError as database_error:
            if not is_database_unavailable(database_error):
                raise
            self._schedule_retry(database_error, delay=_MAX_BACKOFF)

    def _schedule_retry(self, error: Exception | None, *, delay: float) -> NoReturn:
        log.warning("job_retry_scheduled", error=type(error).__name__ if error else None, seconds=delay)
        options: dict[str, Any] = {"exc": error, "countdown": delay, "max_retries": self.request.retries + 1}
        try:
            raise self.retry(**options)
        except Reject as rejected:  # the broker is unavailable; Celery would drop the message
            raise Reject(rejected.reason, requeue=True) from error
