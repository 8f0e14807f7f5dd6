"""The outbox."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId
from mongoengine import DateTimeField, EnumField, IntField, ObjectIdField, StringField

from arthomed.core.documents import ClinicDocument


class Channel(StrEnum):
    SMS = "sms"
    EMAIL = "email"


class State(StrEnum):
    """A message waits until a gateway took it, it is no longer wanted, or it is given up."""

    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"
    FAILED = "failed"


class Notification(ClinicDocument):
    """One message on one channel, told at most once for a subject, kind and version.

    `subject` is the appointment, or the code, that it is about; `version` tells two messages of one
    kind apart. The text is composed just before sending, so that it is never about what no longer is.
    """

    meta = {"collection": "notifications"}

    user = ObjectIdField()
    subject = ObjectIdField(required=True)
    kind = StringField(required=True)
    version = IntField(required=True)
    channel = EnumField(Channel, required=True)
    state = EnumField(State, required=True, default=State.WAITING)
    due_at = DateTimeField(db_field="dueAt", required=True)
    attempts = IntField(required=True, default=0)
    sent_at = DateTimeField(db_field="sentAt")
    failure = StringField()
    swept_at = DateTimeField(db_field="sweptAt")

    @classmethod
    def claim(cls, notification_id: ObjectId, *, now: datetime, lease: timedelta) -> "Notification | None":
        """Take a waiting message for sending; None when it is sent, or another worker has it.

        A worker that dies with it loses its claim when the lease ends.
        """
        claimed: Notification | None = cls.objects(id=notification_id, state=State.WAITING, due_at__lte=now).modify(
            new=True, set__due_at=now + lease, set__updated_at=now, inc__attempts=1
        )
        return claimed

    @classmethod
    def left_behind(cls, due_before: datetime, *, swept_before: datetime) -> Any:
        """What is due and nobody was asked to send lately, the oldest first."""
        not_lately = {"$or": [{"sweptAt": None}, {"sweptAt": {"$lt": swept_before}}]}
        return cls.objects(state=State.WAITING, due_at__lte=due_before, __raw__=not_lately).order_by("due_at")

    def settle(self, state: State, *, now: datetime, failure: str | None = None) -> None:
        """Leave the outbox for good; what was sent stays so, whatever a worker that was too slow thinks."""
        changes = {"state": state, "updatedAt": now, "failure": failure}
        if state is State.SENT:
            changes["sentAt"] = now
        self.collection().update_one({"_id": self.id, "state": {"$ne": State.SENT}}, {"$set": changes})

    def postpone(self, until: datetime, *, now: datetime, failure: str) -> None:
        changes = {"dueAt": until, "updatedAt": now, "failure": failure}
        self.collection().update_one({"_id": self.id, "state": State.WAITING}, {"$set": changes})
