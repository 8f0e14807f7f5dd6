"""Background work, asked for by name; infra/queue.py carries it to the workers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from arthomed.core import origin
from arthomed.core.origin import Origin


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


@dataclass(frozen=True, slots=True)
class Asked:
    """A job that is asked for; ids only, never documents or codes."""

    job: Job
    ids: tuple[str, ...]
    origin: Origin = field(default_factory=origin.current)


class JobsUnavailable(Exception):
    """The broker can't be reached; of several jobs some may be queued."""


class JobQueue(Protocol):
    def enqueue(self, asked: Sequence[Asked]) -> None:
        """Ask for jobs.

        Raises:
            JobsUnavailable: within about a second when the broker is away or silent.
        """


_queue: JobQueue | None = None


def use(queue: JobQueue) -> None:
    global _queue  # noqa: PLW0603  one queue a process, set where the parts are put together
    _queue = queue


def enqueue(job: Job, *ids: str) -> None:
    """Ask for one job; see JobQueue.enqueue."""
    enqueue_all([Asked(job, ids)])


def enqueue_all(asked: Sequence[Asked]) -> None:
    """Ask the installed queue for jobs; see JobQueue.enqueue."""
    if _queue is None:
        message = "no job queue is installed; arthomed.app.wire() does it"
        raise RuntimeError(message)
    if asked:
        _queue.enqueue(asked)
