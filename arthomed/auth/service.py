"""Use cases of signing in and out."""

import secrets
from dataclasses import dataclass

import pymongo
from bson import ObjectId
from mongoengine.connection import get_connection
from pymongo.client_session import ClientSession

from arthomed.auth import budgets, rules
from arthomed.auth.models import Otp, Session
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.errors import NotFound
from arthomed.core.permissions import Role
from arthomed.notifications import service as notifications
from arthomed.notifications.gateways import Sms
from arthomed.notifications.models import Channel, Notification
from arthomed.users import service as users
from arthomed.users.models import User

CODE_MESSAGE = "code"


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of the device that signs in."""

    name: str | None
    address: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    session: Session
    is_new_user: bool


def send_code(mobile: str, *, purpose: str, address: str) -> None:
    """Make a code for a number, known or not, and ask for its SMS.

    Raises:
        AccountLocked: the number failed too often.
        RateLimitExceeded: the number, the address or the clinic asked too often.
        JobsUnavailable: the broker is away; no code was made, and an older one still works.
    """
    policy = settings().codes
    with pymongo.timeout(get_connection().options.timeout):  # for all of it, undoing included
        budgets.ensure_not_locked(mobile, policy)
        with budgets.spending(budgets.limits_on_codes(mobile, address, policy)):
            _issue_code(mobile, purpose)


def _issue_code(mobile: str, purpose: str) -> None:
    nonce, secret = secrets.token_bytes(16), settings().otp_secret
    code = Otp(
        mobile_number=mobile,
        otp=rules.digest_of(mobile, rules.code_for(nonce, secret), secret),
        nonce=nonce,
        issue=ObjectId(),
        purpose=purpose,
        expires_at=clock.now() + settings().codes.lifetime,
    )
    older = code.replace_older()
    messages = notifications.put(user=None, subject=code.issue, kind=CODE_MESSAGE, version=0, channels=[Channel.SMS])
    try:
        notifications.hand_over(messages)
    except Exception:
        notifications.take_back(messages)
        code.give_way_to(older)
        raise


def word_code(notification: Notification) -> Sms | None:
    """The SMS of a code that is still of use."""
    code = Otp.live(notification.subject, clock.now())
    if code is None:
        return None
    digits = rules.code_for(code.nonce, settings().otp_secret)
    minutes = int(settings().codes.lifetime.total_seconds() // 60)
    text = f"{digits} is your Arthomed code. It is valid for {minutes} minutes. Do not share it with anyone."
    return Sms(code.mobile_number, text)


def verify_code(
    mobile: str, code: str, *, device: Device, name: str | None = None, email: str | None = None
) -> SignedIn:
    """Sign in with a code; an unknown number becomes a patient.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is not good.
        UserInactive: the person was deactivated.
    """
    _consume_code(mobile, code)
    user = users.find_by_mobile(mobile)
    if user is not None:
        return SignedIn(user, _open_session(user, device), is_new_user=False)
    return _register(mobile, name, email, device)


def register(mobile: str, code: str, *, device: Device, name: str, email: str | None = None) -> SignedIn:
    """Register a new patient.

    Raises:
        DuplicateValue: the number is registered; told only to who has its code.
    """
    _consume_code(mobile, code)
    return _register(mobile, name, email, device)


def _register(mobile: str, name: str | None, email: str | None, device: Device) -> SignedIn:
    user = users.register(role=Role.PATIENT, mobile_number=mobile, name=name, email=email, is_verified=True)
    return SignedIn(user, _open_session(user, device), is_new_user=True)


def _consume_code(mobile: str, code: str) -> None:
    policy, now = settings().codes, clock.now()
    budgets.ensure_not_locked(mobile, policy)
    digest = rules.digest_of(mobile, code, settings().otp_secret)
    match Otp.compare_and_consume(mobile, digest, now=now, most=policy.max_attempts):
        case True:
            budgets.forget_failures(mobile)
        case False:
            budgets.count_failure(mobile, policy)
            raise rules.CodeInvalid
        case _:
            used_up = Otp.is_used_up(mobile, now=now, most=policy.max_attempts)
            raise rules.CodeUsedUp if used_up else rules.CodeExpired


def _open_session(user: User, device: Device) -> Session:
    now = clock.now()
    session = Session(
        user=user.id,
        role=user.role,
        rotated_at=now,
        expires_at=now + settings().refresh_token_lifetime,
        device=device.name,
        address=device.address,
    )

    def work(transaction_session: ClientSession) -> None:
        # Writing to the user makes this and a deactivation wait for each other.
        active = User.collection().update_one(
            {"_id": user.id, "isActive": True, "role": user.role, "mobileNumber": user.mobile_number},
            {"$set": {"lastLoginAt": now}},
            session=transaction_session,
        )
        if not active.matched_count:
            raise rules.UserInactive
        session.insert(transaction_session)

    transaction(work)
    return session


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
    rotated = Session.rotate(session_id, generation, now=now, lifetime=settings().refresh_token_lifetime)
    if rotated is not None:
        return rotated
    session: Session | None = Session.objects(id=session_id, expires_at__gt=now).first()
    if session is None:
        raise rules.SessionRevoked
    if generation == session.generation - 1 and now - session.rotated_at <= rules.REFRESH_GRACE:
        return session
    session.delete()
    raise rules.SessionRevoked


def find_actor(user_id: ObjectId, session_id: ObjectId) -> Actor:
    """Who stands behind an access token; one read, so that an ended session is refused at once.

    Raises:
        SessionRevoked, UserInactive, UserNotFound: why it is of no use any more.
    """
    raw = Session.collection().find_one(
        {"_id": session_id, "user": user_id, "expiresAt": {"$gt": clock.now()}}, {"role": 1}
    )
    if raw is not None:
        return Actor(user_id, Role(raw["role"]), session_id)
    user: User | None = User.objects(id=user_id).first()
    if user is None:
        raise rules.UserNotFound
    raise rules.SessionRevoked if user.is_active else rules.UserInactive


def sessions_of(actor: Actor) -> list[Session]:
    return list(Session.objects(user=actor.user_id, expires_at__gt=clock.now()).order_by("-updated_at"))


def end_session(actor: Actor, session_id: ObjectId) -> None:
    """Sign one of the caller's devices out."""
    if not Session.objects(id=session_id, user=actor.user_id).delete():
        raise NotFound


def end_all_sessions(user_id: ObjectId, session: ClientSession | None = None) -> None:
    Session.collection().delete_many({"user": user_id}, session=session)
