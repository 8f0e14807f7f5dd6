"""One-time codes and sessions, with their conditional updates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bson import ObjectId
from mongoengine import (
    BinaryField,
    BooleanField,
    DateTimeField,
    EmbeddedDocumentListField,
    EnumField,
    IntField,
    ObjectIdField,
    StringField,
)
from pymongo import ReturnDocument, UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError
from pymongo.write_concern import WriteConcern

from arthomed.auth import rules
from arthomed.auth.rules import USE_NOTED_AFTER, FailedGuesses, OtpAttempts, Platform
from arthomed.config_limits import CodePolicy, Lockout
from arthomed.core import cache, clock
from arthomed.core.cache import Versions
from arthomed.core.documents import ClinicDocument, ClinicEmbeddedDocument, Raw
from arthomed.core.permissions import Role


class FailedGuessesPart(ClinicEmbeddedDocument):
    """`rules.FailedGuesses`, stored."""

    address = StringField()
    count = IntField(required=True)
    ends_at = DateTimeField(db_field="endsAt", required=True)


class Otp(ClinicDocument):
    """The one live code of a mobile number, and the wrong codes that were entered for that number.

    `otp` is a keyed digest of the code, which derives from `nonce`; `issue` identifies the code. Until its message is
    in the outbox, the sweeper enqueues its job again at `enqueue_again_at`. `attempts` are those of the address that
    requested the code, `other_attempts` those of all other addresses. A TTL index removes the document a day after the
    code has expired.
    """

    meta = {"collection": "otps"}

    mobile_number = StringField(db_field="mobileNumber", required=True)
    otp = StringField(required=True)
    nonce = BinaryField(required=True)
    issue = ObjectIdField(required=True)
    purpose = StringField(required=True)
    requested_from = StringField(db_field="requestedFrom")
    is_stranger = BooleanField(db_field="isStranger", default=False)  # the number had no account then
    attempts = IntField(required=True, default=0)
    other_attempts = IntField(db_field="otherAttempts", required=True, default=0)
    is_used = BooleanField(db_field="isUsed", required=True, default=False)
    expires_at = DateTimeField(db_field="expiresAt", required=True)
    enqueue_again_at = DateTimeField(db_field="tellAt")
    failed_guesses = EmbeddedDocumentListField(FailedGuessesPart, db_field="failedGuesses")

    def replace_older(self, *, is_known_address: bool, now: datetime, policy: CodePolicy) -> bool:
        """Store this code in place of the number's older one, which is dead from now on.

        False when the number is locked for the address that requests the code, or when another request stores the
        number's first code at this moment. The write waits for no replica: after a failover the older code may be live
        again, and the new one is never sent.
        """
        self.validate()
        new = self.to_mongo()
        del new["failedGuesses"]  # they count from one code to the next
        lockouts = rules.lockouts(self.requested_from, is_known_address=is_known_address, policy=policy)
        unlocked = {"mobileNumber": self.mobile_number, "$nor": [_is_locked(*one, now) for one in lockouts.items()]}
        at_once = self.collection().with_options(write_concern=WriteConcern(1))
        try:
            at_once.update_one(unlocked, {"$set": new}, upsert=True)
        except DuplicateKeyError:
            return False
        return True

    @classmethod
    def live(cls, issue: ObjectId, now: datetime) -> "Otp | None":
        found: Otp | None = cls.objects(issue=issue, is_used=False, expires_at__gt=now).first()
        return found

    @classmethod
    def forget(cls, mobile: str, session: ClientSession) -> None:
        cls.collection().delete_many({"mobileNumber": mobile}, session=session)

    @classmethod
    def attempts_of(cls, mobiles: Sequence[str], session: ClientSession | None = None) -> dict[str, OtpAttempts]:
        """The attempts at the codes of numbers; numbers without a code are left out."""
        found = cls.collection().find({"mobileNumber": {"$in": mobiles}}, _ATTEMPTS, session=session)
        return {raw["mobileNumber"]: _attempts(raw) for raw in found}

    @classmethod
    def store_failures(
        cls, wrong: Mapping[str, tuple[bool, Sequence[FailedGuesses]]], *, now: datetime, session: ClientSession
    ) -> None:
        """Store, for numbers, the failed guesses with one more, and whether the requester of the code guessed.

        Call it in the transaction that has read the attempts: of parallel guesses each then counts, because a write to
        the same code in between is a write conflict.
        """
        updates = []
        for mobile, (is_own, failed) in wrong.items():
            parts = [FailedGuessesPart(address=one.address, count=one.count, ends_at=one.ends_at) for one in failed]
            stored = {"failedGuesses": [part.to_mongo() for part in parts], "updatedAt": now}
            one_more = {"$inc": {"attempts" if is_own else "otherAttempts": 1}}
            updates.append(UpdateOne({"mobileNumber": mobile}, {**one_more, "$set": stored}))
        if updates:
            cls.collection().bulk_write(updates, session=session)

    @classmethod
    def mark_used(cls, addresses: Mapping[str, str], *, now: datetime, session: ClientSession) -> None:
        """Consume the codes of numbers, in the transaction that has read the attempts.

        The failures of each right guess' address are forgotten; those of all addresses count until their window ends,
        or an attacker could go on after each sign-in of the owner.
        """
        used = {"isUsed": True, "updatedAt": now}
        updates = [
            UpdateOne({"mobileNumber": mobile}, {"$set": used, "$pull": {"failedGuesses": {"address": address}}})
            for mobile, address in addresses.items()
        ]
        if updates:
            cls.collection().bulk_write(updates, session=session)

    @classmethod
    def discard(cls, issue: ObjectId) -> None:
        """Invalidate a code whose SMS is not sent; a guess at it is refused."""
        cls.collection().update_one({"issue": issue}, {"$set": {"isUsed": True}, "$unset": {"tellAt": ""}})

    @classmethod
    def mark_messages_stored(cls, *issues: ObjectId) -> None:
        """Note that the messages of codes are in the outbox, or given up."""
        cls.collection().update_many({"issue": {"$in": issues}}, {"$unset": {"tellAt": ""}})

    @classmethod
    def without_message(cls, now: datetime, *, limit: int) -> "list[Otp]":
        """Codes whose message should be in the outbox by now, the longest due first."""
        return list(cls.objects(enqueue_again_at__lte=now).order_by("enqueue_again_at").limit(limit))

    @classmethod
    def sweep_again(cls, issues: list[ObjectId], at: datetime) -> None:
        """Let the sweeper look at codes again at that time, unless their message is stored by then."""
        cls.objects(issue__in=issues, enqueue_again_at__exists=True).update(set__enqueue_again_at=at)


def _is_locked(address: str | None, lockout: Lockout, now: datetime) -> Raw:
    """`rules.FailedGuesses.is_locked` as a query."""
    failed = {"address": address, "count": {"$gte": lockout.failures}, "endsAt": {"$gt": now}}
    return {"failedGuesses": {"$elemMatch": failed}}


def _attempts(raw: Raw) -> OtpAttempts:
    failed = [FailedGuesses(one.get("address"), one["count"], one["endsAt"]) for one in raw.get("failedGuesses", ())]
    return OtpAttempts(
        raw["otp"],
        raw["purpose"],
        raw.get("requestedFrom"),
        raw["attempts"],
        raw.get("otherAttempts", 0),
        raw["isUsed"],
        raw["expiresAt"],
        failed,
    )


_COUNTERS = ("attempts", "otherAttempts", "failedGuesses")
_ATTEMPTS = dict.fromkeys(("mobileNumber", "otp", "purpose", "requestedFrom", "isUsed", "expiresAt", *_COUNTERS), 1)
_LOCKED = datetime(1970, 1, 1, tzinfo=UTC)  # as time of the last input
_LIVE_SESSION = {"role": 1, "lastUsedAt": 1, "unusedGeneration": 1, "lastInputAt": 1}


@dataclass(frozen=True, slots=True)
class LiveSession:
    """What a request needs of its session, and the versions of the cache tags that were read with it.

    `unused_generation` is the generation of tokens of which none was used yet. `last_input_at` is when somebody last
    did something on a page of the dashboard.
    """

    role: Role
    last_used_at: datetime
    unused_generation: int | None
    last_input_at: datetime | None
    tag_versions: Versions


class Session(ClinicDocument):
    """A signed-in device. No token is stored: a refresh token names its generation, and is signed.

    A refresh extends a session; that of staff ends `STAFF_SESSION_MAX_HOURS` after its sign-in all the same.
    `unused_generation` is the current generation until one of its tokens is used. Then a client has received them, so
    the refresh token of the generation before is not exchanged any more.
    """

    meta = {"collection": "sessions"}

    user = ObjectIdField(required=True)
    role = EnumField(Role, required=True)
    generation = IntField(required=True, default=0)
    rotated_at = DateTimeField(db_field="rotatedAt", required=True)
    unused_generation = IntField(db_field="unusedGeneration")
    expires_at = DateTimeField(db_field="expiresAt", required=True)
    name = StringField()
    platform = EnumField(Platform, required=True, default=Platform.OTHER)
    address = StringField()
    last_used_at = DateTimeField(db_field="lastUsedAt", required=True, default=clock.now)
    push_token = StringField(db_field="pushToken")
    last_input_at = DateTimeField(db_field="lastInputAt")

    @classmethod
    def rotate(
        cls, session_id: ObjectId, generation: int, *, now: datetime, expires_at: datetime, address: str | None
    ) -> "Session | None":
        """Use up the refresh token of that generation; None when it is used already or the session has ended."""
        rotation = {
            "generation": generation + 1,
            "unusedGeneration": generation + 1,
            "rotatedAt": now,
            "expiresAt": expires_at,
            "lastUsedAt": now,
            "address": address,
            "updatedAt": now,
        }
        live = {"_id": session_id, "generation": generation, "expiresAt": {"$gt": now}}
        raw = cls.collection().find_one_and_update(live, {"$set": rotation}, return_document=ReturnDocument.AFTER)
        return None if raw is None else cls.from_raw(raw)

    @classmethod
    def find_live(
        cls, session_id: ObjectId, user: ObjectId, *, now: datetime, cache_tags: Collection[str]
    ) -> LiveSession | None:
        """A session that has not ended, and the versions of cache tags as of the same moment, in one round trip."""
        live = {"_id": session_id, "user": user, "expiresAt": {"$gt": now}}
        if not cache_tags:
            raw = cls.collection().find_one(live, _LIVE_SESSION)
        else:
            tags: Raw = {"$match": {"_id": {"$in": list(cache_tags)}}}
            versions = {"$lookup": {"from": cache.COLLECTION, "pipeline": [tags], "as": "tags"}}
            raw = next(cls.collection().aggregate([{"$match": live}, {"$project": _LIVE_SESSION}, versions]), None)
        if raw is None:
            return None
        versions_found = {tag["_id"]: tag["version"] for tag in raw.get("tags", ())}
        times = raw.get("lastUsedAt", now), raw.get("unusedGeneration"), raw.get("lastInputAt")
        return LiveSession(Role(raw["role"]), *times, versions_found)

    @classmethod
    def note_first_use(cls, session_id: ObjectId, generation: int, *, now: datetime) -> None:
        """Note that a token of this generation was used, once for each rotation."""
        unused = {"_id": session_id, "unusedGeneration": generation}
        cls.collection().update_one(unused, {"$unset": {"unusedGeneration": ""}, "$set": {"updatedAt": now}})

    @classmethod
    def note_use(cls, session_id: ObjectId, *, now: datetime, address: str | None) -> None:
        """Note when and from where a session was used, unless another request did so or ended it meanwhile."""
        cls.collection().update_one(
            {"_id": session_id, "lastUsedAt": {"$lt": now - USE_NOTED_AFTER}},
            {"$set": {"lastUsedAt": now, "address": address, "updatedAt": now}},
        )

    @classmethod
    def note_input(cls, session_id: ObjectId, *, now: datetime) -> None:
        """Note that somebody does something on a page, unless another request has locked the screen meanwhile."""
        is_open = {"_id": session_id, "lastInputAt": {"$ne": _LOCKED}}
        cls.collection().update_one(is_open, {"$set": {"lastInputAt": now, "updatedAt": now}})

    @classmethod
    def set_locked(cls, session_id: ObjectId, *, is_locked: bool, now: datetime) -> None:
        """Lock the pages as if nobody had used them for long, or open them."""
        last_input_at = _LOCKED if is_locked else now
        cls.collection().update_one({"_id": session_id}, {"$set": {"lastInputAt": last_input_at, "updatedAt": now}})

    @classmethod
    def store_push_token(cls, session_id: ObjectId, token: str, *, now: datetime, session: ClientSession) -> bool:
        """Store the push token of a device, and remove it from other sessions: another user signed in there before."""
        taken = {"$unset": {"pushToken": ""}, "$set": {"updatedAt": now}}
        cls.collection().update_many({"pushToken": token, "_id": {"$ne": session_id}}, taken, session=session)
        given = {"$set": {"pushToken": token, "updatedAt": now}}
        return cls.collection().update_one({"_id": session_id}, given, session=session).matched_count == 1

    @classmethod
    def with_push_tokens(cls, user_ids: Collection[ObjectId], now: datetime) -> set[ObjectId]:
        """The users among these who are signed in on a device with a push token."""
        having = {"user": {"$in": list(user_ids)}, "expiresAt": {"$gt": now}, "pushToken": {"$exists": True}}
        return {raw["user"] for raw in cls.collection().find(having, {"user": 1})}

    @classmethod
    def end(cls, session: ClientSession, user: ObjectId, **which: ObjectId) -> list[ObjectId]:
        """Remove a user's sessions, or the one of an `_id`, within a transaction; returns their ids."""
        which["user"] = user
        ended = [one["_id"] for one in cls.collection().find(which, {"_id": 1}, session=session)]
        cls.collection().delete_many({"_id": {"$in": ended}}, session=session)
        return ended
