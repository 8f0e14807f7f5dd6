"""The base of every task: what may pass is tried again, what failed for good is kept, periodic jobs run alone."""

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

_AWAY = (JobsUnavailable, ServiceUnavailable, StorageUnavailable)
_FIRST_WAIT, _LONGEST_WAIT = 2, 120  # seconds; far below the time after which the broker gives a message to another


class ClinicTask(Task):
    """A job; `single_run` is for periodic ones.

    What a dependency did that is away is tried again, about three minutes long in all, with growing waits of random
    length. Everything else is a fault of the program, which another try would not mend.
    """

    max_retries = 8
    acks_on_timeout = False  # a process killed at the hard limit tells nothing: the next one does, see deliveries
    single_run = False

    def __call__(self, *ids: str) -> None:
        """Run the job and count how it ended."""
        begun, outcome = time.perf_counter(), Outcome.FAILED
        try:
            outcome = self._attempt(ids)
        except (Retry, Reject):
            outcome = Outcome.RETRIED
            raise
        finally:
            metrics.JOBS.observe(time.perf_counter() - begun, self.name, outcome)

    def on_failure(self, exc: Exception, task_id: str, *_: object) -> None:
        """Note what only the worker's main process sees; it has no connection to the database."""
        if isinstance(exc, TimeLimitExceeded):
            deliveries.condemn(task_id)

    def _attempt(self, ids: tuple[str, ...]) -> Outcome:
        task_id = self.request.id
        if killer := deliveries.begin(task_id):
            self._bury(ids, killer, deliveries.MOST_DEATHS)
            deliveries.end(task_id)
            return Outcome.FAILED
        try:
            outcome = self._run(ids)
        except Exception:  # not SystemExit: a process that is told to go has not come to an end
            deliveries.end(task_id)
            raise
        deliveries.end(task_id)
        return outcome

    def _run(self, ids: tuple[str, ...]) -> Outcome:
        try:
            with lock.alone(self.name) if self.single_run else nullcontext():
                self.run(*ids)
        except lock.AlreadyRuns:
            self._leave_to_the_other()
            return Outcome.SKIPPED
        except Exception as error:
            self._mend_or_bury(ids, error)
            raise
        return Outcome.DONE

    def _leave_to_the_other(self) -> None:
        """Look again later, if the other may be this message's first delivery, killed and outlived by its lock."""
        if self.request.delivery_info.get("redelivered"):
            self._try_again(None, in_seconds=lock.LIFETIME_SECONDS + 1)
        log.info("job_runs_already")

    def _mend_or_bury(self, ids: tuple[str, ...], error: Exception) -> None:
        retries = self.request.retries
        if (isinstance(error, _AWAY) or is_database_unavailable(error)) and retries < self.max_retries:
            wait = get_exponential_backoff_interval(_FIRST_WAIT, retries, _LONGEST_WAIT, full_jitter=True)
            self._try_again(error, in_seconds=wait)
        self._bury(ids, type(error).__name__, retries + 1)
        error_reporting.report(error, self.name)

    def _bury(self, ids: tuple[str, ...], error: str, attempts: int) -> None:
        """Keep it as a dead letter; while that can't be done, the message stays alive."""
        log.error("job_failed_for_good", error=error, attempts=attempts)
        try:
            failed_jobs.keep(self.name, ids, error=error, attempts=attempts)
        except PyMongoError as away:
            if not is_database_unavailable(away):
                raise
            self._try_again(away, in_seconds=_LONGEST_WAIT)

    def _try_again(self, error: Exception | None, *, in_seconds: float) -> NoReturn:
        log.warning("job_put_off", error=type(error).__name__ if error else None, seconds=in_seconds)
        again: dict[str, Any] = {"exc": error, "countdown": in_seconds, "max_retries": self.request.retries + 1}
        try:
            raise self.retry(**again)
        except Reject as refused:  # the broker is away; Celery would let the message go
            raise Reject(refused.reason, requeue=True) from error
