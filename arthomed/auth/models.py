"""One-time codes, sessions and budgets, each with the atomic updates that their rules rest on."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bson import ObjectId
from mongoengine import (
    BinaryField,
    BooleanField,
    DateTimeField,
    EnumField,
    IntField,
    ObjectIdField,
    StringField,
)
from pymongo import ReturnDocument, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern

from arthomed.auth.rules import MOST_PUSHED, USE_NOTED_AFTER, Limit, Platform
from arthomed.core import clock
from arthomed.core.actor import all_sessions_of
from arthomed.core.copies import changed
from arthomed.core.documents import ClinicDocument, Pipeline, Raw
from arthomed.core.permissions import Role


class Otp(ClinicDocument):
    """The one live code of a mobile number; `otp` holds a keyed digest, `nonce` what the code derives from."""

    meta = {"collection": "otps"}

    mobile_number = StringField(db_field="mobileNumber", required=True)
    otp = StringField(required=True)
    nonce = BinaryField(required=True)
    issue = ObjectIdField(required=True)
    purpose = StringField(required=True)
    attempts = IntField(required=True, default=0)
    is_used = BooleanField(db_field="isUsed", required=True, default=False)
    expires_at = DateTimeField(db_field="expiresAt", required=True)

    def replace_older(self) -> Raw | None:
        """Store this code in the place of the number's older one, which is dead from now on; returns that one.

        It waits for no copy, as its message does, which is written next: a failover just between the two leaves the
        older code in its place, and a message without words.
        """
        self.validate()
        raw = self.to_mongo()
        raw.pop("_id", None)
        at_once = self.collection().with_options(write_concern=WriteConcern(1))
        older: Raw | None = at_once.find_one_and_replace({"mobileNumber": self.mobile_number}, raw, upsert=True)
        return older

    def give_way_to(self, older: Raw | None) -> None:
        """Undo `replace_older`: this code came to nothing."""
        if older is None:
            self.collection().delete_one({"issue": self.issue})
        else:
            self.collection().replace_one({"issue": self.issue}, older)

    @classmethod
    def live(cls, issue: ObjectId, now: datetime) -> "Otp | None":
        found: Otp | None = cls.objects(issue=issue, is_used=False, expires_at__gt=now).first()
        return found

    @classmethod
    def forget(cls, mobile: str, session: ClientSession) -> None:
        cls.collection().delete_many({"mobileNumber": mobile}, session=session)

    @classmethod
    def compare_and_consume(cls, mobile: str, digests: list[str], *, now: datetime, most: int) -> bool | None:
        """Compare one guess, digested with each key, with the live code; None when there is none or no attempt left.

        Counting the attempt, comparing and consuming are one update, so parallel guesses share the
        attempts and parallel right answers let only one in.
        """
        found = cls.collection().find_one_and_update(
            {"mobileNumber": mobile, "isUsed": False, "attempts": {"$lt": most}, "expiresAt": {"$gt": now}},
            [
                {
                    "$set": {
                        "attempts": {"$add": ["$attempts", 1]},
                        "isUsed": {"$in": ["$otp", {"$literal": digests}]},
                        "updatedAt": now,
                    }
                }
            ],
            projection={"isUsed": 1},
            return_document=ReturnDocument.AFTER,
        )
        return None if found is None else bool(found["isUsed"])

    @classmethod
    def is_used_up(cls, mobile: str, *, now: datetime, most: int) -> bool:
        """Whether a code that has not expired died of wrong attempts."""
        dead = cls.objects(mobile_number=mobile, attempts__gte=most, is_used=False, expires_at__gt=now)
        return dead.first() is not None


_DUPLICATE_KEY = 11000
_EXHAUSTED = 1_000_000_000
_OF_ACTOR = {"role": 1, "lastUsedAt": 1, "expiresAt": 1}


class Session(ClinicDocument):
    """A signed-in device. No token is stored: a refresh token is known by its signed generation."""

    meta = {"collection": "sessions"}

    user = ObjectIdField(required=True)
    role = EnumField(Role, required=True)
    generation = IntField(required=True, default=0)
    rotated_at = DateTimeField(db_field="rotatedAt", required=True)
    expires_at = DateTimeField(db_field="expiresAt", required=True)
    name = StringField()
    platform = EnumField(Platform, required=True, default=Platform.OTHER)
    address = StringField()
    last_used_at = DateTimeField(db_field="lastUsedAt", required=True, default=clock.now)
    push_token = StringField(db_field="pushToken")

    @classmethod
    def rotate(
        cls, session_id: ObjectId, generation: int, *, now: datetime, lifetime: timedelta, address: str | None
    ) -> "Session | None":
        """Spend a refresh token of that generation; None when it is spent or the session is over."""
        rotated: Session | None = cls.objects(id=session_id, generation=generation, expires_at__gt=now).modify(
            new=True,
            inc__generation=1,
            set__rotated_at=now,
            set__expires_at=now + lifetime,
            set__last_used_at=now,
            set__address=address,
            set__updated_at=now,
        )
        return rotated

    @classmethod
    def read(cls, where: Raw, stages: Pipeline) -> Raw | None:
        """The role and last use of a session, with what the stages add; without the session nothing is looked up."""
        if not stages:
            return cls.collection().find_one(where, _OF_ACTOR)
        return next(iter(cls.collection().aggregate([{"$match": where}, {"$project": _OF_ACTOR}, *stages])), None)

    @classmethod
    def note_use(cls, session_id: ObjectId, *, now: datetime, address: str | None) -> None:
        """Note when and from where it was used; nothing when another request did so or ended it meanwhile."""
        cls.collection().update_one(
            {"_id": session_id, "lastUsedAt": {"$lt": now - USE_NOTED_AFTER}},
            {"$set": {"lastUsedAt": now, "address": address, "updatedAt": now}},
        )

    @classmethod
    def give_push_token(cls, session_id: ObjectId, token: str, *, now: datetime, session: ClientSession) -> bool:
        """Store the token of a device, which it then has alone: who signed in there before is not told of others."""
        taken = {"$unset": {"pushToken": ""}, "$set": {"updatedAt": now}}
        cls.collection().update_many({"pushToken": token, "_id": {"$ne": session_id}}, taken, session=session)
        given = {"$set": {"pushToken": token, "updatedAt": now}}
        return cls.collection().update_one({"_id": session_id}, given, session=session).matched_count == 1

    @classmethod
    def push_tokens(cls, user_id: ObjectId, now: datetime) -> list[str]:
        """Of the few devices that the person is signed in on and used last, that one first."""
        found = cls.objects(user=user_id, expires_at__gt=now, push_token__exists=True).order_by("-last_used_at")
        return [session.push_token for session in found.limit(MOST_PUSHED)]

    @classmethod
    def forget_push_token(cls, token: str) -> None:
        cls.collection().update_many({"pushToken": token}, {"$unset": {"pushToken": ""}})

    @classmethod
    def end(cls, session: ClientSession, user: ObjectId, **which: ObjectId) -> list[ObjectId]:
        """Remove a person's sessions, or the one of an `_id`, within a transaction; returns their ids."""
        changed(all_sessions_of(user), surely=True)
        which["user"] = user
        ended = [one["_id"] for one in cls.collection().find(which, {"_id": 1}, session=session)]
        cls.collection().delete_many({"_id": {"$in": ended}}, session=session)
        return ended


class Budget(ClinicDocument):
    """How often something was done in a window that begins with the first time."""

    meta = {"collection": "budgets"}

    id = StringField(primary_key=True, db_field="_id")
    used = IntField(required=True)
    ends_at = DateTimeField(db_field="endsAt", required=True)

    @classmethod
    def charge(cls, limits: Sequence[Limit], *, now: datetime) -> int:
        """Count one use of each in one round trip, in order, up to the first that is used up; returns how many.

        It waits for no copy: when the database fails over this very moment, a use may go uncounted.
        """
        uses = [
            UpdateOne(
                {"_id": limit.key, "$or": [{"used": {"$lt": limit.most}}, {"endsAt": {"$lte": now}}]},
                cls._one_more(now, limit.window),
                upsert=True,
            )
            for limit in limits
        ]
        try:
            cls.collection().with_options(write_concern=WriteConcern(1)).bulk_write(uses)
        except BulkWriteError as error:
            refused = error.details["writeErrors"][0]
            if refused["code"] != _DUPLICATE_KEY:  # there is one, which the condition leaves out
                raise
            return int(refused["index"])
        return len(uses)

    @staticmethod
    def _one_more(now: datetime, window: timedelta) -> Pipeline:
        ended = {"$lte": [{"$ifNull": ["$endsAt", now]}, now]}
        used = {"$cond": [ended, 1, {"$add": ["$used", 1]}]}
        return [{"$set": {"used": used, "endsAt": {"$cond": [ended, now + window, "$endsAt"]}}}]

    @classmethod
    def use(cls, key: str, *, now: datetime, window: timedelta) -> Raw:
        """Count one use, in a new window when the last has ended; returns the budget as it is now."""
        found = cls.collection().find_one_and_update(
            {"_id": key}, cls._one_more(now, window), upsert=True, return_document=ReturnDocument.AFTER
        )
        assert found is not None  # noqa: S101  an upsert always finds
        return found

    @classmethod
    def give_back(cls, key: str) -> None:
        """Take one use back; a window in which nothing was done after all never began."""
        cls.collection().update_one({"_id": key, "used": {"$gt": 0}}, {"$inc": {"used": -1}})
        cls.collection().delete_one({"_id": key, "used": 0})

    @classmethod
    def exhaust(cls, keys: Sequence[str], ends_at: datetime) -> None:
        """Leave nothing of them until then, whatever is given back."""
        gone = {"$set": {"used": _EXHAUSTED, "endsAt": ends_at}}
        cls.collection().bulk_write([UpdateOne({"_id": key}, gone, upsert=True) for key in keys])

    @classmethod
    def current(cls, key: str, *, now: datetime) -> Raw | None:
        found: Raw | None = cls.collection().find_one({"_id": key, "endsAt": {"$gt": now}})
        return found

    @classmethod
    def forget(cls, key: str) -> None:
        cls.collection().delete_one({"_id": key})
