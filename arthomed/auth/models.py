"""One-time codes and sessions, with what their rules rest on: atomic updates, or a read and a write of one snapshot."""

from collections.abc import Collection, Mapping, Sequence
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
from pymongo import UpdateMany, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern

from arthomed.auth.rules import MOST_PUSHED, USE_NOTED_AFTER, Platform, Tries
from arthomed.config import CodePolicy
from arthomed.core import clock
from arthomed.core.actor import all_sessions_of
from arthomed.core.copies import changed
from arthomed.core.documents import DUPLICATE_KEY, ClinicDocument, Pipeline, Raw
from arthomed.core.permissions import Role


class Otp(ClinicDocument):
    """The one live code of a mobile number, and how often that number failed.

    `otp` holds a keyed digest, `nonce` what the code derives from, `issue` which code it is. While its message is not
    in the outbox yet, the sweep asks for it at `tell_at`. `failures` are those of the window that ends at
    `failures_end_at`, which begins with the first of them, and anew with the one that locks the number; a right answer
    forgets them. MongoDB removes the document once neither matters.
    """

    meta = {"collection": "otps", "strict": False}  # the next version may know more of a code

    mobile_number = StringField(db_field="mobileNumber", required=True)
    otp = StringField(required=True)
    nonce = BinaryField(required=True)
    issue = ObjectIdField(required=True)
    purpose = StringField(required=True)
    attempts = IntField(required=True, default=0)
    is_used = BooleanField(db_field="isUsed", required=True, default=False)
    expires_at = DateTimeField(db_field="expiresAt", required=True)
    tell_at = DateTimeField(db_field="tellAt")
    failures = IntField(default=0)
    failures_end_at = DateTimeField(db_field="failuresEndAt")

    @classmethod
    def replace_older(cls, codes: Mapping[str, Raw], *, now: datetime, policy: CodePolicy) -> set[str]:
        """Store the new codes of numbers in the place of the older ones, which are dead from now on.

        It waits for no copy: a failover just after it leaves the older code in its place, and the job for the new one
        finds nothing. Returns the numbers that are locked, or whose first code somebody else stored this very moment.
        """
        at_once = cls.collection().with_options(write_concern=WriteConcern(1))
        anew = {"attempts": 0, "isUsed": False, "createdAt": now, "updatedAt": now}
        unlocked = {"$nor": [_locked(now, policy)]}
        updates = [
            UpdateOne({"mobileNumber": mobile, **unlocked}, {"$set": {**anew, **code}}, upsert=True)
            for mobile, code in codes.items()
        ]
        try:
            at_once.bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            if any(one["code"] != DUPLICATE_KEY for one in failed):
                raise
            return {list(codes)[one["index"]] for one in failed}
        return set()

    @classmethod
    def live(cls, issue: ObjectId, now: datetime) -> "Otp | None":
        found: Otp | None = cls.objects(issue=issue, is_used=False, expires_at__gt=now).first()
        return found

    @classmethod
    def forget(cls, mobile: str, session: ClientSession) -> None:
        cls.collection().delete_many({"mobileNumber": mobile}, session=session)

    @classmethod
    def tries(cls, mobiles: Sequence[str], session: ClientSession) -> dict[str, Tries]:
        """Those of numbers that have a code; who guesses then notes in the same transaction what came of it."""
        found = cls.collection().find({"mobileNumber": {"$in": mobiles}}, _OF_TRIES, session=session)
        return {
            raw["mobileNumber"]: Tries(
                raw["otp"],
                raw["attempts"],
                raw["isUsed"],
                raw["expiresAt"],
                raw.get("failures", 0),
                raw.get("failuresEndAt"),
            )
            for raw in found
        }

    @classmethod
    def note_guesses(
        cls,
        right: Sequence[str],
        wrong: Mapping[str, tuple[int, datetime]],
        *,
        now: datetime,
        session: ClientSession,
    ) -> None:
        """Note the guesses at the codes of numbers: those that are spent now, and how often the others have failed.

        Only in the transaction that has read their `tries`: whoever wrote to one of them since is in the way, so of
        parallel guesses each counts.
        """
        one_more = {"$inc": {"attempts": 1}}
        updates: list[UpdateOne | UpdateMany] = [
            UpdateOne(
                {"mobileNumber": mobile},
                {**one_more, "$set": {"failures": failures, "failuresEndAt": ends_at, "updatedAt": now}},
            )
            for mobile, (failures, ends_at) in wrong.items()
        ]
        if right:
            spent = {"$set": {"isUsed": True, "failures": 0, "updatedAt": now}, "$unset": {"failuresEndAt": ""}}
            updates.append(UpdateMany({"mobileNumber": {"$in": right}}, {**one_more, **spent}))
        if updates:
            cls.collection().bulk_write(updates, session=session)

    @classmethod
    def locked_until(cls, mobile: str, *, now: datetime, policy: CodePolicy) -> datetime | None:
        found: Otp | None = cls.objects(mobile_number=mobile, __raw__=_locked(now, policy)).first()
        return None if found is None else found.failures_end_at

    @classmethod
    def note_told(cls, *issues: ObjectId) -> None:
        """Nobody need be asked for their messages any more."""
        cls.collection().update_many({"issue": {"$in": issues}}, {"$unset": {"tellAt": ""}})

    @classmethod
    def untold(cls, now: datetime, *, most: int) -> "list[Otp]":
        """Codes for whose messages it is time to ask, the longest due first."""
        return list(cls.objects(tell_at__lte=now).order_by("tell_at").limit(most))

    @classmethod
    def ask_again(cls, issues: list[ObjectId], at: datetime) -> None:
        """Ask for their messages then, unless they are told by then."""
        cls.objects(issue__in=issues, tell_at__exists=True).update(set__tell_at=at)


def _locked(now: datetime, policy: CodePolicy) -> Raw:
    """A number that failed too often; devices that are signed in are not touched."""
    return {"failures": {"$gte": policy.failures_to_lock}, "failuresEndAt": {"$gt": now}}


_OF_TRIES = dict.fromkeys(("mobileNumber", "otp", "attempts", "isUsed", "expiresAt", "failures", "failuresEndAt"), 1)
_OF_ACTOR = {"user": 1, "role": 1, "lastUsedAt": 1, "expiresAt": 1}


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
    def read(cls, session_id: ObjectId, user: ObjectId, now: datetime, stages: Pipeline) -> Raw | None:
        """The role and last use of a live session, with what the stages add; without the session they add nothing."""
        live = {"$match": {"_id": session_id, "user": user, "expiresAt": {"$gt": now}}}
        return next(iter(cls.collection().aggregate([live, {"$project": _OF_ACTOR}, *stages])), None)

    @classmethod
    def read_all(cls, ids: Sequence[ObjectId]) -> list[Raw | None]:
        """The person, role, last use and end of each session, if it is there."""
        found = {raw["_id"]: raw for raw in cls.collection().find({"_id": {"$in": ids}}, _OF_ACTOR)}
        return [found.get(one) for one in ids]

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
    def with_push_tokens(cls, user_ids: Collection[ObjectId], now: datetime) -> set[ObjectId]:
        """Those of these people who are signed in on a device that has one."""
        having = {"user": {"$in": list(user_ids)}, "expiresAt": {"$gt": now}, "pushToken": {"$exists": True}}
        return {raw["user"] for raw in cls.collection().find(having, {"user": 1})}

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
