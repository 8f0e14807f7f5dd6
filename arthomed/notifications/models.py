"""The outbox."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId
from mongoengine import (
    BooleanField,
    DateTimeField,
    EmbeddedDocumentField,
    EnumField,
    IntField,
    ObjectIdField,
    StringField,
)
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.core.documents import ClinicDocument, ClinicEmbeddedDocument, Raw
from arthomed.notifications.gateways import Attempt, DeliveryStatus, Receipt

_REMOVE = "$$REMOVE"
_COST_FIELDS = ("segments", "price", "currency")
EXPIRED_REASON = "expired before it was sent"


class Channel(StrEnum):
    SMS = "sms"
    EMAIL = "email"
    PUSH = "push"


class State(StrEnum):
    """WAITING is the only state that a worker sends from.

    SENT: a gateway accepted the message. DROPPED: it is outdated. EXPIRED: it is no longer useful. FAILED: all attempts
    failed, or the carrier reported after SENT that it could not deliver.
    """

    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Topic:
    """The fields that all messages about one event share, whatever their channel.

    `subject` is the id of the appointment or the code. `version` distinguishes messages of the same kind. After
    `useful_until` the message expires. `event_at` is the start of the appointment; without it (codes,
    acknowledgements of bookings) the message is sent at once, also in quiet hours.
    """

    user: ObjectId | None
    subject: ObjectId
    kind: str
    version: int
    useful_until: datetime | None
    event_at: datetime | None = None


class StoredReceipt(ClinicEmbeddedDocument):
    """The receipt with the highest rank so far; see gateways.Receipt."""

    sid = StringField(required=True)
    status = EnumField(DeliveryStatus, db_field="arrival", required=True)
    rank = IntField(required=True)
    error_code = IntField(db_field="errorCode")
    segments = IntField()
    price = StringField()
    currency = StringField()
    at = DateTimeField(required=True)


class Notification(ClinicDocument):
    """One message on one channel, unique by subject, kind, version and channel.

    The worker renders the text just before it sends the message, so the text is never outdated. At `fallback_at` the
    channel `fallback` takes over, with a second message that has `is_fallback` set. The SMS has the time when the user
    first read the message in the app (`read_at`), or hid it from the list (`hidden_at`), whatever its channels.
    """

    meta = {"collection": "notifications"}

    user = ObjectIdField()
    subject = ObjectIdField(required=True)
    kind = StringField(required=True)
    version = IntField(required=True)
    channel = EnumField(Channel, required=True)
    state = EnumField(State, required=True, default=State.WAITING)
    due_at = DateTimeField(db_field="dueAt", required=True)
    useful_until = DateTimeField(db_field="usefulUntil")
    event_at = DateTimeField(db_field="about")
    attempts = IntField(required=True, default=0)
    attempts_before = IntField(db_field="attemptsBefore", required=True, default=0)
    sent_at = DateTimeField(db_field="sentAt")
    failure = StringField()
    swept_at = DateTimeField(db_field="sweptAt")
    receipt = EmbeddedDocumentField(StoredReceipt)
    fallback = EnumField(Channel)
    fallback_at = DateTimeField(db_field="fallbackAt")
    is_fallback = BooleanField(db_field="standsIn")
    read_at = DateTimeField(db_field="readAt")
    hidden_at = DateTimeField(db_field="hiddenAt")

    @property
    def topic(self) -> Topic:
        return Topic(self.user, self.subject, self.kind, self.version, self.useful_until, self.event_at)

    @property
    def attempts_since_reset(self) -> int:
        """The attempts since an admin last resent the message, or since it was created."""
        attempts: int = self.attempts - self.attempts_before
        return attempts

    @classmethod
    def hide_about(cls, subjects: Sequence[ObjectId], *, now: datetime, session: ClientSession) -> None:
        """Remove messages about records from the lists of those who got them."""
        cls.collection().update_many({"subject": {"$in": subjects}}, {"$set": {"hiddenAt": now}}, session=session)

    @classmethod
    def from_topic(cls, topic: Topic, channel: Channel, **fields: Any) -> "Notification":
        """A new, unsaved message about a topic."""
        return cls(id=ObjectId(), channel=channel, **asdict(topic), **fields)

    @classmethod
    def claim(cls, notification_id: ObjectId, *, now: datetime, lease: timedelta) -> "Notification | None":
        """Take a waiting message for sending; None when it is sent, or another worker holds it.

        When the worker dies, another one can claim the message after the lease expires.
        """
        claimed: Notification | None = cls.objects(id=notification_id, state=State.WAITING, due_at__lte=now).modify(
            new=True, set__due_at=now + lease, set__updated_at=now, inc__attempts=1
        )
        return claimed

    @classmethod
    def overdue(cls, now: datetime, *, due_before: datetime, swept_before: datetime) -> Any:
        """Waiting messages that the sweeper did not enqueue recently, the longest due first."""
        recently = {"$gte": swept_before, "$lte": now}  # a later time comes from a clock that was ahead
        not_recently = {"sweptAt": {"$not": recently}}
        return cls.objects(state=State.WAITING, due_at__lte=due_before, __raw__=not_recently).order_by("due_at")

    @classmethod
    def reset_skewed_due_times(cls, now: datetime, *, written_after: datetime, due_after: datetime) -> int:
        """Make messages due that a machine with a clock ahead postponed for too long; returns how many."""
        skewed = {"state": State.WAITING, "dueAt": {"$gt": due_after}, "updatedAt": {"$gt": written_after}}
        return cls.collection().update_many(skewed, {"$set": {"dueAt": now, "updatedAt": now}}).modified_count

    @classmethod
    def expire(cls, channel: Channel, now: datetime) -> int:
        """Expire the waiting messages of a channel that are no longer useful; returns how many."""
        expired = {"state": State.EXPIRED, "failure": EXPIRED_REASON, "updatedAt": now}
        late = {"state": State.WAITING, "channel": channel, "usefulUntil": {"$lte": now}}
        return cls.collection().update_many(late, {"$set": expired}).modified_count

    @classmethod
    def due_for_fallback(cls, now: datetime) -> Any:
        """Messages that another channel has to take over, the longest due first."""
        return cls.objects(fallback_at__lte=now).order_by("fallback_at")

    @classmethod
    def record_receipt(
        cls, attempt: Attempt, receipt: Receipt, *, now: datetime, wait: timedelta | None
    ) -> "Notification | None":
        """Store a receipt in one atomic update; returns the message as it was before, None when none matches.

        Receipts may come in any order. A receipt of a lower rank than the stored one only adds its cost. A failure
        counts for the last attempt only. After an admin resent the message, receipts of earlier attempts do not match,
        except for DELIVERED. When the message is not delivered after `wait`, the fallback takes over.
        """
        which: Raw = {"_id": ObjectId(attempt.message)}
        if receipt.status is not DeliveryStatus.DELIVERED:
            which["attemptsBefore"] = {"$not": {"$gte": attempt.number}}
        if receipt.status.is_failure:
            which["attempts"] = attempt.number
        fallback_at = now + wait if wait else None
        raw = cls.collection().find_one_and_update(which, [{"$set": _receipt_changes(receipt, now, fallback_at)}])
        return None if raw is None else cls.from_raw(raw)

    @classmethod
    def is_original_delivered(cls, fallback: "Notification") -> bool:
        """Whether the message that a fallback replaces was delivered after all."""
        key = {name: getattr(fallback, name) for name in ("subject", "kind", "version")}
        return cls.objects(**key, receipt__status=DeliveryStatus.DELIVERED).first() is not None

    @classmethod
    def reset_failed(
        cls, notification_id: ObjectId, *, now: datetime, due_at: datetime, session: ClientSession
    ) -> "Notification | None":
        """Let a failed message wait again; returns it as it was before, None when it is not failed or not useful."""
        which = {
            "_id": notification_id,
            "user": {"$type": "objectId"},
            "state": {"$in": [State.FAILED, State.EXPIRED]},
            "$or": [{"usefulUntil": None}, {"usefulUntil": {"$gt": now}}],
        }
        reset = {"state": State.WAITING, "dueAt": due_at, "updatedAt": now, "attemptsBefore": "$attempts"}
        stale = ["receipt", "fallbackAt", "failure", "sentAt", "sweptAt"]
        raw = cls.collection().find_one_and_update(which, [{"$set": reset}, {"$unset": stale}], session=session)
        return None if raw is None else cls.from_raw(raw)

    def insert_if_new(self) -> bool:
        """Insert the message unless one with the same subject, kind, version and channel exists."""
        try:
            self.insert()
        except DuplicateKeyError:
            return False
        return True

    def finish(
        self, state: State, *, now: datetime, failure: str | None = None, fallback_at: datetime | None = None
    ) -> None:
        """Set the final state.

        A slow worker can't overwrite SENT, nor the outcome of a later attempt. SENT does not overwrite the carrier's
        report of a failure.
        """
        changes = {"state": state, "updatedAt": now, "failure": failure}
        which: Raw = {"_id": self.id, "state": {"$ne": State.SENT}}
        if state is not State.SENT:
            which["attempts"] = self.attempts
        else:
            changes["sentAt"] = now
            which["receipt.arrival"] = {"$nin": [status for status in DeliveryStatus if status.is_failure]}
        if fallback_at is not None and self.fallback is not None:
            changes["fallbackAt"] = fallback_at
        unset: Raw = {"$unset": {"fallbackAt": ""}} if fallback_at is None else {}
        self.collection().update_one(which, {"$set": changes, **unset})

    def schedule_retry(self, at: datetime, *, now: datetime, failure: str, fallback_at: datetime) -> None:
        """Make the message due at that time; the fallback takes over at `fallback_at`, unless a time was set before."""
        changes = {"dueAt": at, "updatedAt": now, "failure": failure}
        if self.fallback is not None:
            changes["fallbackAt"] = self.fallback_at or fallback_at
        self.collection().update_one(self._claimed, {"$set": changes})

    def postpone_until_morning(self, morning: datetime, *, now: datetime) -> None:
        """Make the message due after the quiet hours; this does not count as an attempt."""
        update: Raw = {"$set": {"dueAt": morning, "updatedAt": now}, "$inc": {"attempts": -1}}
        self.collection().update_one(self._claimed, update)

    @property
    def _claimed(self) -> Raw:
        """Matches the message as long as no later attempt claimed it."""
        return {"_id": self.id, "state": State.WAITING, "attempts": self.attempts}

    def clear_fallback(self) -> None:
        self.collection().update_one({"_id": self.id, "fallbackAt": self.fallback_at}, {"$unset": {"fallbackAt": ""}})


def _receipt_changes(receipt: Receipt, now: datetime, fallback_at: datetime | None) -> Raw:
    """The `$set` stage of an aggregation pipeline that applies a receipt when its rank exceeds the stored one."""
    status = {"sid": receipt.sid, "arrival": receipt.status, "rank": receipt.status.rank, "at": now}
    reported = _literal({**status, "errorCode": receipt.error_code})
    cost = _literal({name: getattr(receipt, name) for name in _COST_FIELDS})
    stored_cost = {name: f"$receipt.{name}" for name in _COST_FIELDS}
    changes: Raw = {"updatedAt": now, "receipt": {"$mergeObjects": [stored_cost, cost, reported]}}
    changes |= _failed(receipt, now) if receipt.status.is_failure else _accepted(receipt, now, fallback_at)
    is_ahead = {"$gt": [receipt.status.rank, {"$ifNull": ["$receipt.rank", 0]}]}
    unchanged: dict[str, Any] = {name: f"${name}" for name in changes}
    unchanged["receipt"] = {"$mergeObjects": [cost, "$receipt"]}
    return {name: {"$cond": [is_ahead, value, unchanged[name]]} for name, value in changes.items()}


def _failed(receipt: Receipt, now: datetime) -> Raw:
    failure = f"carrier {receipt.status} {receipt.error_code or ''}".rstrip()
    return {"state": State.FAILED, "failure": failure, "fallbackAt": _if_fallback_exists(now)}


def _accepted(receipt: Receipt, now: datetime, fallback_at: datetime | None) -> Raw:
    waits = _if_fallback_exists({"$ifNull": ["$fallbackAt", fallback_at]}) if fallback_at else _REMOVE
    return {
        "state": State.SENT,
        "sentAt": {"$ifNull": ["$sentAt", now]},
        "failure": _REMOVE,
        "fallbackAt": _REMOVE if receipt.status is DeliveryStatus.DELIVERED else waits,
    }


def _if_fallback_exists(value: Any) -> Raw:
    return {"$cond": [{"$gt": ["$fallback", None]}, value, _REMOVE]}


def _literal(values: Raw) -> Raw:
    return {"$literal": {name: value for name, value in values.items() if value is not None}}
