"""The dead letters: jobs that failed for good, kept until somebody asks for them again or a month has passed."""

from collections.abc import Sequence
from datetime import timedelta

from mongoengine import DateTimeField, Document, IntField, ListField, StringField
from pymongo.collection import Collection

from arthomed.core import clock, jobs, origin
from arthomed.core.documents import ClinicQuerySet, Raw
from arthomed.core.jobs import Job, JobsUnavailable

_LEASE = timedelta(minutes=1)
"""After which a retry that did not come to its end counts as dead."""


class FailedJob(Document):
    """One for a job and its ids, however often it failed: its id is made of both.

    It holds ids and the type of the error; an error's words may quote a person's record.
    """

    meta = {"collection": "failed_jobs", "auto_create_index": False, "queryset_class": ClinicQuerySet, "strict": False}

    id = StringField(primary_key=True)
    job = StringField(required=True)
    ids = ListField(StringField())
    error = StringField(required=True)
    attempts = IntField(required=True)
    first_failed_at = DateTimeField(db_field="firstFailedAt", required=True)
    last_failed_at = DateTimeField(db_field="lastFailedAt", required=True)
    request_id = StringField(db_field="requestId")
    asked_again_at = DateTimeField(db_field="askedAgainAt")

    @classmethod
    def collection(cls) -> Collection[Raw]:
        collection: Collection[Raw] = cls._get_collection()
        return collection


def keep(job: str, ids: Sequence[str], *, error: str, attempts: int) -> None:
    """Record that a job failed for good after so many attempts, beside its failures of before."""
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
    """Ask for the job again and forget that it failed; False when there is no such record, or another is at it.

    One that is cut off in between leaves the record; then the job may be asked for once more, which jobs bear.

    Raises:
        JobsUnavailable: the record stays.
    """
    now, records = clock.now(), FailedJob.collection()
    free = {"$or": [{"askedAgainAt": None}, {"askedAgainAt": {"$lt": now - _LEASE}}]}
    failed = records.find_one_and_update(
        {"_id": failed_id, "job": {"$in": list(Job)}, **free}, {"$set": {"askedAgainAt": now}}
    )
    if failed is None:
        return False
    origin.set_current(origin.Origin(failed["requestId"]))
    try:
        jobs.enqueue(Job(failed["job"]), *failed["ids"])
    except JobsUnavailable:
        records.update_one({"_id": failed_id, "askedAgainAt": now}, {"$unset": {"askedAgainAt": ""}})
        raise
    records.delete_one({"_id": failed_id, "askedAgainAt": now})  # not when it has failed again by now
    return True


def how_many() -> dict[str, int]:
    """By job."""
    counted = FailedJob.collection().aggregate([{"$group": {"_id": "$job", "count": {"$sum": 1}}}])
    return {one["_id"]: one["count"] for one in counted}
