"""Dead letters: jobs whose last attempt failed, stored until they are retried or a month has passed."""

from collections.abc import Sequence
from datetime import timedelta

from mongoengine import DateTimeField, IntField, ListField, StringField

from arthomed.core import clock, jobs, origin
from arthomed.core.documents import PlainDocument
from arthomed.core.jobs import Job, JobsUnavailable

MALFORMED = "malformed"
"""The job name of dead letters from malformed queue entries."""
_LEASE = timedelta(minutes=1)
"""After this time another retry may take over from one that did not finish."""


class FailedJob(PlainDocument):
    """One record for each job and ids, however often it failed; its id is made of both.

    It holds the type of the error and not its text, which may quote personal data.
    """

    meta = {"collection": "failed_jobs"}

    id = StringField(primary_key=True)
    job = StringField(required=True)
    ids = ListField(StringField())
    error = StringField(required=True)
    attempts = IntField(required=True)
    first_failed_at = DateTimeField(db_field="firstFailedAt", required=True)
    last_failed_at = DateTimeField(db_field="lastFailedAt", required=True)
    request_id = StringField(db_field="requestId")
    retried_at = DateTimeField(db_field="askedAgainAt")


def record(job: str, ids: Sequence[str], *, error: str, attempts: int) -> None:
    """Record that a job failed for good after `attempts`, which are added to those of earlier failures."""
    now = clock.now()
    FailedJob.collection().update_one(
        {"_id": ":".join((job, *ids))},
        {
            "$setOnInsert": {"job": job, "ids": list(ids), "firstFailedAt": now},
            "$set": {"error": error, "lastFailedAt": now, "requestId": origin.current().request_id},
            "$inc": {"attempts": attempts},
            "$unset": {"askedAgainAt": ""},
        },
        upsert=True,
    )


def retry(failed_id: str) -> bool:
    """Enqueue the job again and delete its record; False if there is no record or another retry is in progress.

    A crash after the enqueueing leaves the record, so the job may be enqueued twice. Jobs are idempotent.

    Raises:
        JobsUnavailable: the broker is unavailable; the record stays.
    """
    now, records = clock.now(), FailedJob.collection()
    not_leased = {"$or": [{"askedAgainAt": None}, {"askedAgainAt": {"$lt": now - _LEASE}}]}
    failed = records.find_one_and_update(
        {"_id": failed_id, "job": {"$in": list(Job)}, **not_leased}, {"$set": {"askedAgainAt": now}}
    )
    if failed is None:
        return False
    origin.set_current(origin.Origin(failed["requestId"]))
    try:
        jobs.enqueue(Job(failed["job"]), *failed["ids"])
    except JobsUnavailable:
        records.update_one({"_id": failed_id, "askedAgainAt": now}, {"$unset": {"askedAgainAt": ""}})
        raise
    records.delete_one({"_id": failed_id, "askedAgainAt": now})  # unless the job has failed again meanwhile
    return True


def count_by_job() -> dict[str, int]:
    """Count dead letters by job; the names of unknown jobs come from outside, so they count as malformed."""
    known = {"$cond": [{"$in": ["$job", list(Job)]}, "$job", MALFORMED]}
    counted = FailedJob.collection().aggregate([{"$group": {"_id": known, "count": {"$sum": 1}}}])
    return {group["_id"]: group["count"] for group in counted}
