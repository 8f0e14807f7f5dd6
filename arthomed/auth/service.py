"""Use cases of signing in and out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Self

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.auth import codes, rules, trail
from arthomed.auth.models import Session
from arthomed.config import settings
from arthomed.core import clock, copies, origin
from arthomed.core.actor import Actor, all_sessions_of
from arthomed.core.copies import changed
from arthomed.core.documents import Pipeline, Raw, transaction
from arthomed.core.errors import NotFound
from arthomed.core.origin import Origin
from arthomed.core.permissions import Role
from arthomed.core.reading import Found
from arthomed.core.together import Together
from arthomed.users import service as users
from arthomed.users.models import Consent, User


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of the device that signs in."""

    name: str | None
    platform: rules.Platform
    address: str

    @classmethod
    def by_user_agent(cls, user_agent: str, address: str) -> Self:
        """A device that says nothing of itself."""
        return cls(rules.name_of(user_agent), rules.platform_of(user_agent), address)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """Somebody with a code of a number, or None once it is spent, and the privacy notice that their app named."""

    mobile: str
    code: str | None
    device: Device
    notice: str | None
    origin: Origin = field(default_factory=origin.current)

    def consent_of(self, user: Raw) -> Consent | None:
        """What the person newly agrees to by arriving."""
        consent, earlier = _consent(self.notice), [one["notice"] for one in user.get("consents", ())]
        is_new = rules.agrees_to(consent.notice, Role(user["role"]), earlier, is_named=self.notice is not None)
        return consent if is_new else None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person and their new session, as stored."""

    user: Raw
    session: Raw
    is_new_user: bool


def send_code(mobile: str, *, purpose: str, address: str) -> None:
    """Make a code for a number, known or not, and ask for its SMS.

    Raises:
        AccountLocked: the number failed too often.
        RateLimitExceeded: the number, the address or the clinic asked too often.
        ServiceUnavailable: Redis is away; no code was made, and an older one still works. When the database did not
            answer in time, it may still make the code, which is then told.
    """
    codes.issue(mobile, purpose, rules.limits_on_codes(mobile, address, settings().codes))


def verify_code(
    mobile: str,
    code: str,
    *,
    device: Device,
    notice: str | None = None,
    name: str | None = None,
    email: str | None = None,
) -> SignedIn:
    """Sign in with a code; an unknown number becomes a patient.

    `notice` is the version of the privacy notice that was shown, without it the clinic's present one.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is not good.
        UserInactive: the person was deactivated.
    """
    with codes.telling():
        signed_in = _open_session(mobile, device, notice, code)
    if signed_in is None:
        user = users.find_by_mobile(mobile)
        if user is None:
            return _register(mobile, name, email, device, notice)
        signed_in = _open_session(mobile, device, notice) if user.is_active else None  # it came about just now
    if signed_in is None:
        raise rules.UserInactive
    return SignedIn(*signed_in, is_new_user=False)


def register(
    mobile: str, code: str, *, device: Device, name: str, notice: str | None = None, email: str | None = None
) -> SignedIn:
    """Register a new patient.

    Raises:
        DuplicateValue: the number is registered; told only to who has its code.
    """
    codes.consume(mobile, code)
    return _register(mobile, name, email, device, notice)


def confirm_with_code(user: User, code: str) -> None:
    """Consume a code of a signed-in person's own number before a step that can't be undone.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is not good.
    """
    codes.consume(user.mobile_number, code)


def _register(mobile: str, name: str | None, email: str | None, device: Device, notice: str | None) -> SignedIn:
    consents = [_consent(notice)]
    users.register(role=Role.PATIENT, mobile_number=mobile, name=name, email=email, is_verified=True, consents=consents)
    signed_in = _open_session(mobile, device, notice)
    if signed_in is None:
        raise rules.UserInactive
    return SignedIn(*signed_in, is_new_user=True)


def _consent(notice: str | None) -> Consent:
    """An app that names no notice has shown the clinic's present one."""
    return Consent(notice=notice or settings().privacy_notice, at=clock.now())


def _open_session(
    mobile: str, device: Device, notice: str | None = None, code: str | None = None
) -> tuple[Raw, Raw] | None:
    """The person of a number with a new session, for which the code is spent; None when nobody who is active has it.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is not good.
    """
    signed_in = _sign_in_with_others(_Arrival(mobile, code, device, notice))
    if signed_in is not None:
        trail.tell_signed_in(signed_in[1])
    return signed_in


_Outcome = tuple[Raw, Raw] | None


def _open_sessions(arrivals: Sequence[_Arrival], *, once: bool) -> list[_Outcome | Exception]:
    return transaction(partial(_let_in, arrivals), once=once)


_sign_in_with_others = Together(_open_sessions, names=lambda arrival: (arrival.mobile,), gathers=True)


def _let_in(arrivals: Sequence[_Arrival], session: ClientSession) -> list[_Outcome | Exception]:
    """The transaction's work, with an outcome or a refusal for each: a code is spent with what it is spent for."""
    judged = codes.judge({one.mobile: one.code for one in arrivals if one.code is not None}, session)
    opened = _open([one for one in arrivals if judged.get(one.mobile) is None], session)
    return [judged.get(one.mobile) or opened.get(one.mobile) for one in arrivals]


def _open(arrivals: Sequence[_Arrival], session: ClientSession) -> dict[str, tuple[Raw, Raw]]:
    """The active people of those numbers, each with a new session."""
    people = User.active([one.mobile for one in arrivals], session) if arrivals else {}
    coming = [(people[one.mobile], one) for one in arrivals if one.mobile in people]
    if not coming:
        return {}
    # Writing to the users makes this and a deactivation wait for each other.
    agreed = {user["_id"]: one.consent_of(user) for user, one in coming}
    User.note_signing_in(agreed, now=clock.now(), session=session)
    opened = {one.mobile: (user, _session(user, one.device)) for user, one in coming}
    Session.insert_raw([one for _, one in opened.values()], session)
    audit.insert_events([_event_of(opened[one.mobile][1], one.origin) for _, one in coming], session)
    return opened


def _event_of(opened: Raw, source: Origin) -> Raw:
    with origin.override(source):
        return trail.of_signing_in(opened)


def _session(user: Raw, device: Device) -> Raw:
    """A new session, as it is stored."""
    now = clock.now()
    return {
        "_id": ObjectId(),
        "user": user["_id"],
        "role": user["role"],
        "generation": 0,
        "rotatedAt": now,
        "expiresAt": now + settings().refresh_token_lifetime,
        **({} if device.name is None else {"name": device.name}),
        "platform": device.platform,
        "address": device.address,
        "lastUsedAt": now,
        "createdAt": now,
        "updatedAt": now,
    }


def refresh(session_id: ObjectId, generation: int) -> Session:
    """Spend a refresh token; the answer is signed from the session that comes back.

    Rotation is one conditional update. The generation before the current one is good for another 30
    seconds and gives the current tokens again, without rotating: an answer that was lost on the way must
    not sign the person out. Any older one was stolen or copied, so the whole session ends
    (RFC 9700 section 4.14.2).

    Raises:
        SessionRevoked: the session is over, or the token was spent.
    """
    now = clock.now()
    rotated = Session.rotate(
        session_id,
        generation,
        now=now,
        lifetime=settings().refresh_token_lifetime,
        address=origin.current().address,
    )
    if rotated is not None:
        return rotated
    session: Session | None = Session.objects(id=session_id, expires_at__gt=now).first()
    if session is None:
        raise rules.SessionRevoked
    if generation == session.generation - 1 and now - session.rotated_at <= rules.REFRESH_GRACE:
        return session
    _end_reused(session)
    raise rules.SessionRevoked


def _end_reused(reused: Session) -> None:
    def work(session: ClientSession) -> None:
        if Session.end(session, reused.user, _id=reused.id):
            trail.note_reuse(reused, session)

    transaction(work)
    trail.tell_reuse(reused)


def find_actor(user_id: ObjectId, session_id: ObjectId, stages: Pipeline) -> tuple[Actor, datetime, Found]:
    """Who stands behind an access token, and until when that is known; one read, also of what the stages look up.

    Now and then it is noted when and from where the device was used.

    Raises:
        SessionRevoked, UserInactive, UserNotFound: why it is of no use any more.
    """
    now = clock.now()
    raw = Session.read(session_id, user_id, now, stages) if stages else _find_session(session_id)
    if raw is not None and raw["user"] == user_id and raw["expiresAt"] > now:
        used_at = raw.get("lastUsedAt", now)
        if used_at < now - rules.USE_NOTED_AFTER:
            Session.note_use(session_id, now=now, address=origin.current().address)
            used_at = now
        until = min(raw["expiresAt"], used_at + rules.USE_NOTED_AFTER)
        return Actor(user_id, Role(raw["role"]), session_id), until, raw
    with copies.telling():
        # Who signs out again, because the first time nobody was told, comes here.
        changed(all_sessions_of(user_id))
    user: User | None = User.objects(id=user_id).first()
    if user is None:
        raise rules.UserNotFound
    raise rules.SessionRevoked if user.is_active else rules.UserInactive


def _find_sessions(ids: Sequence[ObjectId], **_: bool) -> list[Raw | None]:
    return Session.read_all(ids)


_find_session = Together(_find_sessions, names=lambda _: ())
"""Those of whoever asks at the same moment are found in one query."""


def sessions_of(actor: Actor) -> list[Session]:
    return list(Session.objects(user=actor.user_id, expires_at__gt=clock.now()).order_by("-last_used_at"))


def give_push_token(session_id: ObjectId, token: str) -> None:
    """Let the device of a session be told of visits.

    Raises:
        SessionRevoked: the session is over.
    """
    now = clock.now()
    if not transaction(lambda session: Session.give_push_token(session_id, token, now=now, session=session)):
        raise rules.SessionRevoked


def push_tokens(user_id: ObjectId) -> list[str]:
    return Session.push_tokens(user_id, clock.now())


def with_push_tokens(user_ids: Collection[ObjectId]) -> set[ObjectId]:
    """Those of these people who have a device that can be told by push."""
    return Session.with_push_tokens(user_ids, clock.now())


def forget_push_token(token: str) -> None:
    """The device of that token is gone."""
    Session.forget_push_token(token)


def end_session(actor: Actor, session_id: ObjectId) -> None:
    """Sign one of the caller's devices out.

    Raises:
        NotFound: they have no such device.
    """
    user_id = actor.user_id
    assert user_id is not None  # noqa: S101  the system has no devices
    ended = transaction(lambda session: _end(session, actor, user_id, _id=session_id))
    if not ended:
        raise NotFound
    tell_ended(actor, user_id, ended)


def end_all_sessions(actor: Actor, user_id: ObjectId, session: ClientSession | None = None) -> list[ObjectId]:
    """Sign a person out everywhere; in a transaction of the caller's, the caller then does `tell_ended`."""
    if session is not None:
        return _end(session, actor, user_id)
    ended = transaction(lambda own: _end(own, actor, user_id))
    tell_ended(actor, user_id, ended)
    return ended


def tell_ended(actor: Actor, user_id: ObjectId, ended: Sequence[ObjectId]) -> None:
    """Tell those who watch the log; after the commit."""
    trail.tell_ended(actor, user_id, ended)


def _end(session: ClientSession, actor: Actor, user_id: ObjectId, **which: ObjectId) -> list[ObjectId]:
    ended = Session.end(session, user_id, **which)
    trail.note_ended(actor, user_id, ended, session)
    return ended
