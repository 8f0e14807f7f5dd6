"""Exports that a background job generates."""

from datetime import datetime, timedelta
from enum import StrEnum

from bson import ObjectId
from mongoengine import BinaryField, DateTimeField, EnumField, ObjectIdField
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.core.documents import ClinicDocument


class State(StrEnum):
    WAITING = "waiting"
    READY = "ready"


class Export(ClinicDocument):
    """The latest export of a user, one per user; `content` is gzipped JSON."""

    meta = {"collection": "exports"}

    user = ObjectIdField(primary_key=True, db_field="_id")
    state = EnumField(State, required=True, default=State.WAITING)
    requested_at = DateTimeField(db_field="askedAt", required=True)
    expires_at = DateTimeField(db_field="expiresAt", required=True)
    content = BinaryField()

    @classmethod
    def find_current(cls, user_id: ObjectId, now: datetime) -> "Export | None":
        """The user's export, pending or ready, unless it has expired."""
        found: Export | None = cls.objects(user=user_id, expires_at__gt=now).first()
        return found

    @classmethod
    def request(cls, user_id: ObjectId, *, now: datetime, retry_after: timedelta, ttl: timedelta) -> bool:
        """Record a request; returns whether the caller must enqueue a job.

        False while the export is ready, or pending for less than `retry_after`; after that the job counts as lost.
        """
        due = {"$or": [{"askedAt": {"$lte": now - retry_after}, "state": State.WAITING}, {"expiresAt": {"$lte": now}}]}
        fields = {"state": State.WAITING, "askedAt": now, "expiresAt": now + ttl, "updatedAt": now}
        try:
            cls.collection().update_one(
                {"_id": user_id, **due},
                {"$set": fields, "$unset": {"content": ""}, "$setOnInsert": {"createdAt": now}},
                upsert=True,
            )
        except DuplicateKeyError:  # the filter did not match the user's export, so the upsert tried to insert another
            return False
        return True

    @classmethod
    def finish(cls, user_id: ObjectId, content: bytes, expires_at: datetime) -> None:
        """Store the content of a pending export."""
        cls.objects(user=user_id, state=State.WAITING).update(
            set__state=State.READY, set__content=content, set__expires_at=expires_at
        )

    @classmethod
    def erase(cls, user_id: ObjectId, session: ClientSession) -> None:
        cls.collection().delete_one({"_id": user_id}, session=session)

    @classmethod
    def is_pending(cls, user_id: ObjectId) -> bool:
        return cls.objects(user=user_id, state=State.WAITING).first() is not None
