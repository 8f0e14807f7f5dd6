"""Sign-in and registration with a one-time code."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

import structlog
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, AuditEvent, Kind
from arthomed.auth import rules
from arthomed.auth.models import Session
from arthomed.auth.service import otp, sessions
from arthomed.config import settings
from arthomed.core import clock, origin
from arthomed.core.actor import Actor
from arthomed.core.batcher import Batcher
from arthomed.core.errors import ClinicError
from arthomed.core.origin import Origin
from arthomed.core.permissions import ROLE_PERMISSIONS, Permission, Role
from arthomed.users import service as users
from arthomed.users.models import Consent, SignIn, User

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
    """A code for a number, the device, the privacy notice that the app named, and name and e-mail of a new user.

    `address` is the client's address as lockouts count it (`http.limits.subscriber`). Where `is_staff_only`, only who
    may use the dashboard is admitted, and nobody is registered.
    """

    mobile: str
    code: str
    device: Device
    address: str
    purpose: str | None = None
    notice: str | None = None
    name: str | None = None
    email: str | None = None
    must_be_new: bool = False
    is_staff_only: bool = False
    origin: Origin = field(default_factory=origin.current)

    @property
    def guess(self) -> otp.Guess:
        return otp.Guess(self.mobile, self.code, self.address, self.purpose)

    @property
    def consent(self) -> Consent:
        """An app that names no notice has shown the clinic's present one."""
        return Consent(notice=self.notice or settings().privacy_notice, at=clock.now())

    def new_consent_of(self, user: User) -> Consent | None:
        """The consent that the user gives by signing in, if there is a new one."""
        consent, earlier = self.consent, [one.notice for one in user.consents]
        is_new = rules.agrees_to(consent.notice, user.role, earlier, is_named=self.notice is not None)
        return consent if is_new else None


@dataclass(frozen=True, slots=True)
class SignedIn:
    user: User
    session: Session
    is_new_user: bool = False


def sign_in(attempt: SignInAttempt) -> SignedIn:
    """Sign in with a code; an unknown number is registered as a patient.

    One transaction consumes the code, registers the user and opens the session.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused.
        UserInactive: the user was deactivated.
        NumberRegistered: the number must be new but is registered; only the owner of its code learns that.
        StaffOnly: the user may not use the dashboard; the code stays valid for the app.
    """
    with otp.logging_outcome():
        signed_in = _batched_sign_in(attempt)
    opened = signed_in.session
    log.info("signed_in", user_id=str(opened.user), session_id=str(opened.id), platform=str(opened.platform))
    return signed_in


def confirm_with_code(user: User, code: str, *, address: str) -> None:
    """Consume a code of a signed-in user's own number before a step that cannot be undone.

    Raises:
        CodeInvalid, CodeExpired, CodeUsedUp, AccountLocked: the code is refused.
    """
    otp.consume(otp.Guess(user.mobile_number, code, address))


def _sign_in_batch(attempts: Sequence[SignInAttempt], session: ClientSession) -> list[SignedIn | Exception]:
    """Within one transaction: a code is consumed together with the session that it opens, or not at all.

    No user is read before the code is checked: the time of a wrong guess would tell known numbers from others.
    """
    refusals = otp.check([one.guess for one in attempts], session)
    admitted = [one for one in attempts if refusals[one.mobile] is None]
    outcomes = _admit(admitted, session) if admitted else {}
    return [refusals[one.mobile] or outcomes[one.mobile] for one in attempts]


_batched_sign_in = Batcher(_sign_in_batch, keys=lambda attempt: (attempt.mobile,))


def _admit(attempts: Sequence[SignInAttempt], session: ClientSession) -> Mapping[str, SignedIn | ClinicError]:
    """Register the users of unknown numbers, and open the sessions of all active users.

    A registration of a known number leaves its code valid, so that its owner can sign in with it; so does a patient's
    sign-in to the dashboard.
    """
    registered = User.by_mobile([one.mobile for one in attempts], session)
    outcomes: dict[str, SignedIn | ClinicError] = {
        one.mobile: refusal for one in attempts if (refusal := _refusal(one, registered.get(one.mobile)))
    }
    consumed = [one for one in attempts if one.mobile not in outcomes]
    otp.mark_used([one.guess for one in consumed], session)  # first: transactions with the same code conflict here
    opened: list[tuple[SignInAttempt, SignedIn]] = []
    for attempt in consumed:
        user = registered.get(attempt.mobile)
        if user is not None and not user.is_active:
            outcomes[attempt.mobile] = rules.UserInactive()
        else:
            found = user or _register(attempt, session)
            found.is_verified = found.is_verified or found.role is Role.PATIENT  # one whom the reception registered
            signed_in = SignedIn(found, sessions.new_session(found, **asdict(attempt.device)), is_new_user=user is None)
            outcomes[attempt.mobile] = signed_in
            opened.append((attempt, signed_in))
    _create_sessions(opened, session)
    return outcomes


def _refusal(attempt: SignInAttempt, user: User | None) -> ClinicError | None:
    """Why the owner of a right code is not admitted, who may use it elsewhere."""
    if attempt.must_be_new and user is not None:
        return users.NumberRegistered()
    if attempt.is_staff_only and (user is None or Permission.DASHBOARD not in ROLE_PERMISSIONS[user.role]):
        return rules.StaffOnly()
    return None


def _register(attempt: SignInAttempt, session: ClientSession) -> User:
    consents = [attempt.consent]
    user = users.new_user(
        Role.PATIENT, attempt.mobile, attempt.name, email=attempt.email, is_verified=True, consents=consents
    )
    with origin.override(attempt.origin):
        users.insert(user, session)
    return user


def _create_sessions(admitted: Sequence[tuple[SignInAttempt, SignedIn]], session: ClientSession) -> None:
    if not admitted:
        return
    # Writing to the users makes this and a deactivation conflict, so that one of them comes first.
    sign_ins = [SignIn(one.user, attempt.address, attempt.new_consent_of(one.user)) for attempt, one in admitted]
    User.note_sign_ins(sign_ins, now=clock.now(), session=session)
    Session.insert_all([one.session for _, one in admitted], session)
    audit.insert_events([_event_of(one.session, attempt.origin) for attempt, one in admitted], session)


def _event_of(opened: Session, source: Origin) -> AuditEvent:
    actor = Actor(opened.user, opened.role, opened.id)
    platform = {"field": "platform", "from": None, "to": opened.platform}
    with origin.override(source):
        return audit.change_event(
            actor, Action.CREATE, Kind.SESSION, opened.id, subject=opened.user, changes=[platform]
        )
