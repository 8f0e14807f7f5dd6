"""Background work, asked for by name; infra/queue.py carries it to the workers."""

from enum import StrEnum
from typing import Protocol


class Job(StrEnum):
    """Every job by name; the part before the dot is its queue."""

    TELL_CODE = "codes.tell"
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


class JobsUnavailable(Exception):
    """The broker can't be reached; nothing was queued."""


class JobQueue(Protocol):
    def enqueue(self, job: Job, *ids: str) -> None:
        """Ask for a job; ids only, never documents or codes.

        Raises:
            JobsUnavailable: within about a second when the broker is away or silent.
        """


_queue: JobQueue | None = None


def use(queue: JobQueue) -> None:
    global _queue  # noqa: PLW0603  one queue a process, set where the parts are put together
    _queue = queue


def enqueue(job: Job, *ids: str) -> None:
    """Ask the installed queue for a job; see JobQueue.enqueue."""
    if _queue is None:
        message = "no job queue is installed; arthomed.app.wire() does it"
        raise RuntimeError(message)
    _queue.enqueue(job, *ids)
