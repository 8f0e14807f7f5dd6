"""The outbox."""

from dataclasses import dataclass
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
from arthomed.notifications.gateways import Arrival, Attempt, Receipt

_REMOVED = "$$REMOVE"
_COST = ("segments", "price", "currency")


class Channel(StrEnum):
    SMS = "sms"
    EMAIL = "email"
    PUSH = "push"


class State(StrEnum):
    """A message waits until a gateway took it, it is no longer wanted, its time has passed, or it is given up.

    One that was sent fails after all when its carrier says so.
    """

    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Timing:
    """Until when a message is of use, and when what it tells about begins; nothing for what is awaited right now."""

    useful_until: datetime | None
    about: datetime | None = None


class StoredReceipt(ClinicEmbeddedDocument):
    """The best that the carrier has said so far; see gateways.Receipt."""

    sid = StringField(required=True)
    arrival = EnumField(Arrival, required=True)
    rank = IntField(required=True)
    error_code = IntField(db_field="errorCode")
    segments = IntField()
    price = StringField()
    currency = StringField()
    at = DateTimeField(required=True)


class Notification(ClinicDocument):
    """One message on one channel, told at most once for a subject, kind and version.

    `subject` is the appointment, or the code, that it is about; `version` tells two messages of one
    kind apart. The text is composed just before sending, so that it is never about what no longer is.
    At `fallback_at` the channel `fallback` takes over, with a message that `stands_in`.
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
    about = DateTimeField()
    attempts = IntField(required=True, default=0)
    attempts_before = IntField(db_field="attemptsBefore", required=True, default=0)
    sent_at = DateTimeField(db_field="sentAt")
    failure = StringField()
    swept_at = DateTimeField(db_field="sweptAt")
    receipt = EmbeddedDocumentField(StoredReceipt)
    fallback = EnumField(Channel)
    fallback_at = DateTimeField(db_field="fallbackAt")
    stands_in = BooleanField(db_field="standsIn")

    @property
    def tries(self) -> int:
        """The attempts since it was put into the outbox, or sent again by hand."""
        tries: int = self.attempts - self.attempts_before
        return tries

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
    def left_behind(cls, now: datetime, *, due_before: datetime, swept_before: datetime) -> Any:
        """What is due and nobody was asked to send lately, the oldest first."""
        lately = {"$gte": swept_before, "$lte": now}  # later than now was written by a clock that was ahead
        not_lately = {"sweptAt": {"$not": lately}}
        return cls.objects(state=State.WAITING, due_at__lte=due_before, __raw__=not_lately).order_by("due_at")

    @classmethod
    def put_right(cls, now: datetime, *, written_after: datetime, due_after: datetime) -> int:
        """Let what was put off for too long, by a clock that was ahead, be due; returns how many."""
        put_off = {"state": State.WAITING, "dueAt": {"$gt": due_after}, "updatedAt": {"$gt": written_after}}
        return cls.collection().update_many(put_off, {"$set": {"dueAt": now, "updatedAt": now}}).modified_count

    @classmethod
    def expire(cls, channel: Channel, now: datetime) -> int:
        """Give up what waits although its time has passed; returns how many."""
        expired = {"state": State.EXPIRED, "failure": "its time has passed", "updatedAt": now}
        late = {"state": State.WAITING, "channel": channel, "usefulUntil": {"$lte": now}}
        return cls.collection().update_many(late, {"$set": expired}).modified_count

    @classmethod
    def unanswered(cls, now: datetime) -> Any:
        """What another channel has to take over, the longest due first."""
        return cls.objects(fallback_at__lte=now).order_by("fallback_at")

    @classmethod
    def note_receipt(
        cls, attempt: Attempt, receipt: Receipt, *, now: datetime, wait: timedelta | None
    ) -> "Notification | None":
        """Store a receipt in one update, whatever came before it; returns the message as it was.

        It never takes a message back: one with a lower rank only adds what it cost. That an earlier attempt failed
        says nothing of the later ones, and what happened before a message was sent again by hand is over, unless it
        arrived: so then nothing is found. What has not arrived after `wait` is for the other channel.
        """
        which: Raw = {"_id": ObjectId(attempt.message)}
        if receipt.arrival is not Arrival.DELIVERED:
            which["attemptsBefore"] = {"$not": {"$gte": attempt.number}}
        if receipt.arrival.is_failure:
            which["attempts"] = attempt.number
        no_later_than = now + wait if wait else None
        raw = cls.collection().find_one_and_update(which, [{"$set": _outcome(receipt, now, no_later_than)}])
        return None if raw is None else cls.from_raw(raw)

    @classmethod
    def has_arrived(cls, stand_in: "Notification") -> bool:
        """Whether the message for which another stands in was delivered after all."""
        key = {name: getattr(stand_in, name) for name in ("subject", "kind", "version")}
        return cls.objects(**key, receipt__arrival=Arrival.DELIVERED).first() is not None

    @classmethod
    def revive(
        cls, notification_id: ObjectId, *, now: datetime, due_at: datetime, session: ClientSession
    ) -> "Notification | None":
        """Let a failed message wait as if it were new; returns it as it was, None if it is no such, or of no use."""
        which = {
            "_id": notification_id,
            "user": {"$type": "objectId"},
            "state": {"$in": [State.FAILED, State.EXPIRED]},
            "$or": [{"usefulUntil": None}, {"usefulUntil": {"$gt": now}}],
        }
        anew = {"state": State.WAITING, "dueAt": due_at, "updatedAt": now, "attemptsBefore": "$attempts"}
        stale = ["receipt", "fallbackAt", "failure", "sentAt", "sweptAt"]
        raw = cls.collection().find_one_and_update(which, [{"$set": anew}, {"$unset": stale}], session=session)
        return None if raw is None else cls.from_raw(raw)

    def insert_once(self) -> bool:
        """Insert it unless there is one of its subject, kind, version and channel."""
        try:
            self.insert()
        except DuplicateKeyError:
            return False
        return True

    def settle(
        self, state: State, *, now: datetime, failure: str | None = None, fallback_at: datetime | None = None
    ) -> None:
        """Leave the outbox for good; what was sent stays so, whatever a worker that was too slow thinks."""
        changes = {"state": state, "updatedAt": now, "failure": failure}
        which: Raw = {"_id": self.id, "state": {"$ne": State.SENT}}
        if state is not State.SENT:
            which["attempts"] = self.attempts  # else a later attempt decides
        else:
            changes["sentAt"] = now
            which["receipt.arrival"] = {"$nin": _failures()}  # the carrier knows better
        if fallback_at is not None and self.fallback is not None:
            changes["fallbackAt"] = fallback_at
        unset: Raw = {"$unset": {"fallbackAt": ""}} if fallback_at is None else {}
        self.collection().update_one(which, {"$set": changes, **unset})

    def postpone(self, until: datetime, *, now: datetime, failure: str, no_later_than: datetime) -> None:
        """Try again then; by `no_later_than` another channel takes over."""
        changes = {"dueAt": until, "updatedAt": now, "failure": failure}
        if self.fallback is not None:
            changes["fallbackAt"] = self.fallback_at or no_later_than
        self.collection().update_one(self._mine, {"$set": changes})

    def put_aside(self, until: datetime, *, now: datetime) -> None:
        """Let it wait for the morning, which is no attempt."""
        update: Raw = {"$set": {"dueAt": until, "updatedAt": now}, "$inc": {"attempts": -1}}
        self.collection().update_one(self._mine, update)

    @property
    def _mine(self) -> Raw:
        """It, as long as no later attempt has it."""
        return {"_id": self.id, "state": State.WAITING, "attempts": self.attempts}

    def forget_fallback(self) -> None:
        self.collection().update_one({"_id": self.id, "fallbackAt": self.fallback_at}, {"$unset": {"fallbackAt": ""}})


def _failures() -> list[Arrival]:
    return [arrival for arrival in Arrival if arrival.is_failure]


def _outcome(receipt: Receipt, now: datetime, no_later_than: datetime | None) -> Raw:
    """What a receipt makes of a message, as stages of an update."""
    news = {"sid": receipt.sid, "arrival": receipt.arrival, "rank": receipt.arrival.rank, "at": now}
    told = _literal({**news, "errorCode": receipt.error_code})
    cost = _literal({name: getattr(receipt, name) for name in _COST})
    known_cost = {name: f"$receipt.{name}" for name in _COST}
    changes: Raw = {"updatedAt": now, "receipt": {"$mergeObjects": [known_cost, cost, told]}}
    changes |= _failed(receipt, now) if receipt.arrival.is_failure else _taken(receipt, now, no_later_than)
    is_ahead = {"$gt": [receipt.arrival.rank, {"$ifNull": ["$receipt.rank", 0]}]}
    kept: dict[str, Any] = {name: f"${name}" for name in changes}
    kept["receipt"] = {"$mergeObjects": [cost, "$receipt"]}
    return {name: {"$cond": [is_ahead, value, kept[name]]} for name, value in changes.items()}


def _failed(receipt: Receipt, now: datetime) -> Raw:
    failure = f"carrier {receipt.arrival} {receipt.error_code or ''}".rstrip()
    return {"state": State.FAILED, "failure": failure, "fallbackAt": _if_there_is_another_way(now)}


def _taken(receipt: Receipt, now: datetime, no_later_than: datetime | None) -> Raw:
    waits = _if_there_is_another_way({"$ifNull": ["$fallbackAt", no_later_than]}) if no_later_than else _REMOVED
    return {
        "state": State.SENT,
        "sentAt": {"$ifNull": ["$sentAt", now]},
        "failure": _REMOVED,
        "fallbackAt": _REMOVED if receipt.arrival is Arrival.DELIVERED else waits,
    }


def _if_there_is_another_way(then: Any) -> Raw:
    return {"$cond": [{"$gt": ["$fallback", None]}, then, _REMOVED]}


def _literal(values: Raw) -> Raw:
    return {"$literal": {name: value for name, value in values.items() if value is not None}}
