"""Background jobs, enqueued by name; `infra/queue.py` publishes them with Celery."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from arthomed.core.installed import Installed


class Job(StrEnum):
    """Every job by name; the part before the dot is its queue."""

    DELIVER_CODE = "codes.tell"
    DELIVER_CODE_TO_STRANGER = "strangers.tell"
    SEND_CODE = "codes.send"
    SEND_SMS = "sms.send"
    SEND_EMAIL = "email.send"
    SEND_PUSH = "email.send_push"
    SYNC_SLOTS = "slots.sync_doctor"
    GENERATE_SLOTS = "slots.generate"
    SCAN_FILE = "files.scan"
    SWEEP_SCANS = "files.sweep_scans"
    PURGE_FILES = "files.purge"
    EXPORT = "default.export"
    FINISH_ERASURES = "default.finish_erasures"
    SWEEP_MESSAGES = "default.sweep_messages"
    FALL_BACK = "default.fall_back"
    REJECT_UNCONFIRMED = "default.reject_unconfirmed"
    MARK_NO_SHOWS = "default.mark_no_shows"
    COMPLETE_FORGOTTEN = "default.complete_forgotten"
    RECORD_FAILURE = "default.record_failure"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job to enqueue, with ids only: never documents or codes."""

    job: Job
    ids: tuple[str, ...]


class JobsUnavailable(Exception):
    """The broker does not take jobs; of several jobs some may have been enqueued."""


class JobQueue(Protocol):
    def enqueue(self, requests: Sequence[JobRequest]) -> None:
        """Publish jobs on behalf of the request that runs now (`origin.current`).

        Raises:
            JobsUnavailable: within about a second when the broker refuses connections or does not answer.
        """


_queue = Installed[JobQueue]("job queue")
use = _queue.install


def enqueue(job: Job, *ids: str) -> None:
    """Enqueue one job; see `JobQueue.enqueue`."""
    enqueue_all([JobRequest(job, ids)])


def enqueue_all(requests: Sequence[JobRequest]) -> None:
    """Enqueue jobs; see `JobQueue.enqueue`."""
    if requests:
        _queue.get().enqueue(requests)
