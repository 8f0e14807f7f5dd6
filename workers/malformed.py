"""Malformed queue entries become dead letters. A job records them: the main process of a worker has no database."""

import hashlib
import re

import structlog
from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from arthomed.core.jobs import Job
from arthomed.infra import failed_jobs, queue_entry
from arthomed.infra.queue_entry import MalformedEntry

log = structlog.get_logger()

_PLAIN = re.compile(r"[\w.-]{1,64}", re.ASCII)  # the name and the ids of a task of another version, not a text
_MAX_IDS = 10


def accept(raw: bytes, queue: str) -> bytes | None:
    """Return an entry of a queue as Celery may read it; record it and return None if it is malformed."""
    try:
        entry = queue_entry.load(raw)
    except MalformedEntry as error:
        record(queue, error, raw)
        return None
    task = entry["headers"]["task"]
    if task.startswith("celery.") or task not in current_app.tasks:
        if all(map(_PLAIN.fullmatch, (task, *entry["ids"]))) and len(entry["ids"]) <= _MAX_IDS:
            _record(task, "UnknownTask", *entry["ids"])
        else:
            record(queue, MalformedEntry("headers.task"), raw)
        return None
    return queue_entry.dump(entry)


def accept_unacked(raw: bytes) -> bool:
    """Return whether kombu may return an entry that a worker had taken to its queue; record it if not."""
    try:
        queue_entry.check_unacked(raw)
    except MalformedEntry as error:
        record("unacked", error, raw)
        return False
    return True


def record(place: str, error: MalformedEntry, raw: bytes) -> None:
    """Record a malformed entry by its place, its wrong field and its hash: its content may be personal data."""
    _record(failed_jobs.MALFORMED, "MalformedEntry", place, str(error), hashlib.sha256(raw).hexdigest()[:16])


def record_key(key: str, found_type: str) -> None:
    """Record a key of Redis that had the wrong type."""
    _record(failed_jobs.MALFORMED, "WrongType", key, found_type)


def _record(job: str, error: str, *ids: str) -> None:
    log.error("queue_entry_malformed", job=job, error=error, ids=ids)
    try:
        current_app.send_task(Job.RECORD_FAILURE, args=(job, error, *ids))
    except (OperationalError, OSError, RedisError) as publish_error:
        log.error("queue_entry_not_recorded", error=type(publish_error).__name__)  # noqa: TRY400  nobody needs the stack
