"""Exports that a job makes."""

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
    """The one export of a person that is being made or can be fetched; `content` is gzipped JSON."""

    meta = {"collection": "exports"}

    user = ObjectIdField(primary_key=True, db_field="_id")
    state = EnumField(State, required=True, default=State.WAITING)
    asked_at = DateTimeField(db_field="askedAt", required=True)
    expires_at = DateTimeField(db_field="expiresAt", required=True)
    content = BinaryField()

    @classmethod
    def of(cls, user_id: ObjectId, now: datetime) -> "Export | None":
        found: Export | None = cls.objects(user=user_id, expires_at__gt=now).first()
        return found

    @classmethod
    def is_to_be_asked_for(cls, user_id: ObjectId, *, now: datetime, again_after: timedelta, kept: timedelta) -> bool:
        """Note that a job is asked for, unless one was lately; what is ready but has expired is begun anew."""
        due = {"$or": [{"askedAt": {"$lte": now - again_after}, "state": State.WAITING}, {"expiresAt": {"$lte": now}}]}
        begun = {"state": State.WAITING, "askedAt": now, "expiresAt": now + kept, "updatedAt": now}
        try:
            cls.collection().update_one(
                {"_id": user_id, **due},
                {"$set": begun, "$unset": {"content": ""}, "$setOnInsert": {"createdAt": now}},
                upsert=True,
            )
        except DuplicateKeyError:  # there is one that is not due
            return False
        return True

    @classmethod
    def finish(cls, user_id: ObjectId, content: bytes, expires_at: datetime) -> None:
        cls.objects(user=user_id, state=State.WAITING).update(
            set__state=State.READY, set__content=content, set__expires_at=expires_at
        )

    @classmethod
    def forget(cls, user_id: ObjectId, session: ClientSession) -> None:
        cls.collection().delete_one({"_id": user_id}, session=session)

    @classmethod
    def is_wanted(cls, user_id: ObjectId) -> bool:
        return cls.objects(user=user_id, state=State.WAITING).first() is not None
