"""Sign-in and registration with a one-time code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import structlog
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.auth import rules
from arthomed.auth.models import Session
from arthomed.auth.service import otp
from arthomed.config import settings
from arthomed.core import clock, origin
from arthomed.core.actor import Actor
from arthomed.core.batcher import Batcher
from arthomed.core.origin import Origin
from arthomed.core.permissions import Role
from arthomed.users import service as users
from arthomed.users.models import Consent, User

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Device:
    """The device that signs in."""

    name: str | None
    platform: rules.Platform
    address: str

    @classmethod
    def by_user_agent(cls, user_agent: str, address: str) -> Self:
        """A device that the client does not describe."""
        return cls(rules.name_of(user_agent), rules.platform_of(user_agent), address)


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """A number with its code, or with None once the code is consumed, and the privacy notice that the app named."""

    mobile: str
    code: str | None
    device: Device
    notice: str | None
    origin: Origin = field(default_factory=origin.current)

    def new_consent_of(self, user: User) -> Consent | None:
        """The consent that the user gives by signing in, if there is a new one."""
        consent, earlier = _consent(self.notice), [one.notice for one in user.consents]
        is_new = rules.agrees_to(consent.notice, user.role, earlier, is_named=self.notice is not None)
        return consent if is_new else None


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    session: Session
    is_new_user: bool = False


def verify_code(
    mobile: str,
    code: str,
    *,
    device: Device,
    notice: str | None = None,
    name: str | None = None,
    email: str | None = None,
) -> SignedIn:
    """Sign in with a code; an unknown number is registered as a patient.

    `notice` is the version of the privacy notice that the app showed, without it the clinic's present one.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused.
        UserInactive: the user was deactivated.
    """
    with otp.logging_outcome():
        signed_in = _sign_in(SignInAttempt(mobile, code, device, notice))
    if signed_in is None:
        user = users.find_by_mobile(mobile)
        if user is None:
            return _register(mobile, name, email, device, notice)
        signed_in = _sign_in(SignInAttempt(mobile, None, device, notice)) if user.is_active else None  # just registered
    if signed_in is None:
        raise rules.UserInactive
    return signed_in


def register(
    mobile: str, code: str, *, device: Device, name: str, notice: str | None = None, email: str | None = None
) -> SignedIn:
    """Register a new patient.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused.
        DuplicateValue: the number is registered; only the owner of its code learns that.
    """
    otp.consume(mobile, code)
    return _register(mobile, name, email, device, notice)


def confirm_with_code(user: User, code: str) -> None:
    """Consume a code of a signed-in user's own number before a step that cannot be undone.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused.
    """
    otp.consume(user.mobile_number, code)


def _register(mobile: str, name: str | None, email: str | None, device: Device, notice: str | None) -> SignedIn:
    consents = [_consent(notice)]
    users.register(role=Role.PATIENT, mobile_number=mobile, name=name, email=email, is_verified=True, consents=consents)
    signed_in = _sign_in(SignInAttempt(mobile, None, device, notice))
    if signed_in is None:
        raise rules.UserInactive
    return SignedIn(signed_in.user, signed_in.session, is_new_user=True)


def _consent(notice: str | None) -> Consent:
    """An app that names no notice has shown the clinic's present one."""
    return Consent(notice=notice or settings().privacy_notice, at=clock.now())


def _sign_in(attempt: SignInAttempt) -> SignedIn | None:
    """Open a session for the active user of a number; None when there is no such user.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused.
    """
    signed_in = _batched_sign_in(attempt)
    if signed_in is not None:
        opened = signed_in.session
        log.info("signed_in", user_id=str(opened.user), session_id=str(opened.id), platform=str(opened.platform))
    return signed_in


_Outcome = SignedIn | None


def _check_and_create_sessions(attempts: Sequence[SignInAttempt], session: ClientSession) -> list[_Outcome | Exception]:
    """Within one transaction: a code is consumed together with the session that it opens, or not at all."""
    refusals = otp.check({one.mobile: one.code for one in attempts if one.code is not None}, session)
    admitted = [one for one in attempts if refusals.get(one.mobile) is None]
    signed_in = _create_sessions(admitted, session) if admitted else {}
    return [refusals.get(one.mobile) or signed_in.get(one.mobile) for one in attempts]


_batched_sign_in = Batcher(_check_and_create_sessions, keys=lambda attempt: (attempt.mobile,))


def _create_sessions(attempts: Sequence[SignInAttempt], session: ClientSession) -> Mapping[str, SignedIn]:
    people = User.active([one.mobile for one in attempts], session)
    known = [(people[one.mobile], one) for one in attempts if one.mobile in people]
    if not known:
        return {}
    # Writing to the users makes this and a deactivation conflict, so that one of them comes first.
    consents = {user.id: one.new_consent_of(user) for user, one in known}
    User.note_sign_in(consents, now=clock.now(), session=session)
    signed_in = {one.mobile: SignedIn(user, _new_session(user, one.device)) for user, one in known}
    Session.insert_all([one.session for one in signed_in.values()], session)
    audit.insert_events([_event_of(signed_in[one.mobile].session, one.origin) for _, one in known], session)
    return signed_in


def _event_of(opened: Session, source: Origin) -> AuditEvent:
    actor = Actor(opened.user, opened.role, opened.id)
    platform = {"field": "platform", "from": None, "to": opened.platform}
    with origin.override(source):
        return audit.change_event(
            actor, Action.CREATE, Kind.SESSION, opened.id, subject=opened.user, changes=[platform]
        )


def _new_session(user: User, device: Device) -> Session:
    now = clock.now()
    return Session(
        user=user.id,
        role=user.role,
        rotated_at=now,
        expires_at=now + settings().refresh_token_lifetime,
        name=device.name,
        platform=device.platform,
        address=device.address,
        last_used_at=now,
    )
