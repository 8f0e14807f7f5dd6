"""Rules of one-time codes, refresh tokens, and how a device is named."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from math import ceil
from typing import ClassVar

from arthomed.config_limits import CodePolicy, Lockout
from arthomed.core.errors import ClinicError, Code, PermissionDenied
from arthomed.core.permissions import Role
from arthomed.core.quota import Quota

CODE_DIGITS = 6
_ADDRESSES_OF_STRANGERS = 5  # that together may use up the clinic's quota
_NETWORK_FACTORS = (1, 1, 5)  # of an address or an IPv6 /64, its /56, and its /48, which may hold many households


class Platform(StrEnum):
    ANDROID = "android"
    IOS = "ios"
    WEB = "web"
    OTHER = "other"


class CodeRefused(ClinicError):
    """A guess that does not sign in."""


class CodeInvalid(CodeRefused):
    """A wrong guess; `locks_for` is how long sign-in is refused now, if it was the last one before a lock."""

    code: ClassVar[Code] = Code.OTP_INVALID
    message = "Invalid OTP"

    def __init__(self, *, locks_for: timedelta | None = None) -> None:
        super().__init__()
        self.locks_for = locks_for


class CodeExpired(CodeRefused):
    code: ClassVar[Code] = Code.OTP_EXPIRED
    message = "The OTP has expired, please request a new one"


class CodeUsedUp(CodeRefused):
    code: ClassVar[Code] = Code.OTP_MAX_ATTEMPTS
    message = "Too many wrong attempts, please request a new OTP"


class AccountLocked(CodeRefused):
    code: ClassVar[Code] = Code.ACCOUNT_LOCKED
    message = "Too many failed attempts, please try again later"


class UserNotFound(ClinicError):
    code: ClassVar[Code] = Code.USER_NOT_FOUND
    message = "Invalid token. User not found."


class UserInactive(ClinicError):
    code: ClassVar[Code] = Code.USER_INACTIVE
    message = "Account has been deactivated."


class StaffOnly(PermissionDenied):
    """A right code of somebody who has no part in the dashboard."""

    message = "The dashboard is for the clinic's staff. Please use the Arthomed app for your own appointments."


class SessionRevoked(ClinicError):
    code: ClassVar[Code] = Code.SESSION_REVOKED
    message = "This session has ended. Please log in again."


def request_quotas(
    mobile: str, networks: Sequence[str], policy: CodePolicy, *, known_address: str | None
) -> list[Quota]:
    """How many codes a number and the networks of a client may request.

    `networks` are the client's address, or for IPv6 its /64, /56 and /48. A number that has signed in from this address
    before (`known_address`) has quotas of its own there, which requests from elsewhere do not use.
    """
    source = "" if known_address is None else f":{known_address}"
    hour, per_address = timedelta(hours=1), policy.hourly_quota_per_address
    return [
        Quota(f"resend:{mobile}{source}", 1, policy.resend_after),
        Quota(f"number:{mobile}{source}", policy.hourly_quota_per_number, hour),
        *(
            Quota(f"address:{network}", per_address * factor, hour, is_of_address=True)
            for network, factor in zip(networks, _NETWORK_FACTORS, strict=False)
        ),
    ]


def first_of_day_quota(mobile: str) -> Quota:
    """The first SMS with a code to a patient each day, which no quota of the clinic limits."""
    return Quota(f"first:{mobile}", 1, timedelta(days=1))


def clinic_quotas(address: str | None, *, is_patient: bool, policy: CodePolicy) -> list[Quota]:
    """How many SMS with codes the clinic sends to patients, or to numbers without an account.

    The first quota is the clinic's. A second one is the share of strangers behind one address, a fifth, so that one
    address cannot use it up. Staff are not counted: their number and their own quotas are the limit.
    """
    if is_patient:
        return [Quota("patients", policy.daily_patient_quota, timedelta(days=1))]
    limit, hour = policy.hourly_stranger_quota, timedelta(hours=1)
    return [Quota("strangers", limit, hour), Quota(f"strangers:{address}", ceil(limit / _ADDRESSES_OF_STRANGERS), hour)]


@dataclass(frozen=True, slots=True)
class FailedGuesses:
    """Wrong codes from one address, or from all addresses (`address` is None), in a window.

    The window begins with the first wrong code, and again with the one that locks.
    """

    address: str | None
    count: int
    ends_at: datetime

    def is_locked(self, now: datetime, lockout: Lockout) -> bool:
        return self.count >= lockout.failures and self.ends_at > now


def lockouts(address: str, *, is_known_address: bool, policy: CodePolicy) -> dict[str | None, Lockout]:
    """The lockouts that refuse an address, by the address whose failed guesses they count; None counts those of all.

    An address from which the number has signed in before is refused for its own failures only.
    """
    scopes = [address] if is_known_address else [address, None]
    return {scope: _lockout(scope, policy) for scope in scopes}


def _lockout(address: str | None, policy: CodePolicy) -> Lockout:
    return policy.number_lockout if address is None else policy.address_lockout


@dataclass(frozen=True, slots=True)
class OtpAttempts:
    """The attempts at a number's live code, and the wrong codes for the number until now.

    The address that requested the code has attempts of its own, so that others cannot use them up.
    """

    digest: str
    purpose: str
    requested_from: str | None
    attempts: int
    other_attempts: int
    is_used: bool
    expires_at: datetime
    failed_guesses: Sequence[FailedGuesses] = ()

    def refusal(
        self,
        digests: Sequence[str],
        address: str,
        *,
        purpose: str | None = None,
        is_known_address: bool,
        now: datetime,
        policy: CodePolicy,
    ) -> CodeRefused | None:
        """Why a guess, digested with each key, is refused; None when it is right.

        A code that was requested for another purpose than the named one is a wrong code.
        """
        locked_until = self.locked_until(address, is_known_address=is_known_address, now=now, policy=policy)
        if locked_until is not None:
            return AccountLocked(retry_after=locked_until - now)
        if self.is_used or self.expires_at <= now:
            return CodeExpired()
        if (self.attempts if address == self.requested_from else self.other_attempts) >= policy.max_attempts:
            return CodeUsedUp()
        is_right = any(hmac.compare_digest(self.digest, one) for one in digests)
        if is_right and purpose in (None, self.purpose):
            return None
        counted = self.with_one_more_failure(address, now=now, policy=policy)[:2]
        reached = [(one.count, _lockout(one.address, policy)) for one in counted]
        locks = [lockout.duration for count, lockout in reached if count == lockout.failures]
        return CodeInvalid(locks_for=max(locks, default=None))

    def is_number_locked(self, now: datetime, policy: CodePolicy) -> bool:
        """Whether addresses from which the number has not signed in before are refused."""
        return any(one.address is None and one.is_locked(now, policy.number_lockout) for one in self.failed_guesses)

    def locked_until(
        self, address: str, *, is_known_address: bool, now: datetime, policy: CodePolicy
    ) -> datetime | None:
        counting = lockouts(address, is_known_address=is_known_address, policy=policy)
        failed = [one for one in self.failed_guesses if one.address in counting]
        return max((one.ends_at for one in failed if one.is_locked(now, counting[one.address])), default=None)

    def with_one_more_failure(self, address: str, *, now: datetime, policy: CodePolicy) -> list[FailedGuesses]:
        """The failed guesses with one more: first those of the address, then those of all, then of other addresses."""
        current = {one.address: one for one in self.failed_guesses if one.ends_at > now}
        return [
            *(_one_more(scope, current.pop(scope, None), now, policy) for scope in (address, None)),
            *current.values(),
        ]


def _one_more(address: str | None, before: FailedGuesses | None, now: datetime, policy: CodePolicy) -> FailedGuesses:
    lockout = _lockout(address, policy)
    if before is None:
        return FailedGuesses(address, 1, now + lockout.duration)
    count = before.count + 1
    return FailedGuesses(address, count, now + lockout.duration if count == lockout.failures else before.ends_at)


def agrees_to(notice: str, role: Role, earlier: Sequence[str], *, is_named: bool) -> bool:
    """Whether signing in is a new consent of a patient: to a first notice, or to one that the app names as newer.

    A notice that the app did not name counts only as the first.
    """
    if role is not Role.PATIENT:
        return False
    return not earlier or (is_named and earlier[-1] != notice)


def session_end(
    role: Role, *, signed_in_at: datetime, now: datetime, lifetime: timedelta, staff_lifetime: timedelta
) -> datetime:
    """When a session ends that is opened or refreshed now; that of staff ends some hours after its sign-in anyway."""
    end = now + lifetime
    return end if role is Role.PATIENT else min(end, signed_in_at + staff_lifetime)


REFRESH_GRACE = timedelta(seconds=30)
"""How long the previous refresh token works although a new token was used: requests may overtake each other."""

USE_NOTED_AFTER = timedelta(minutes=5)
"""How old `lastUsedAt` may be; to update it on each request would cost a write on each."""

MAX_PUSH_DEVICES = 4
"""How many of a user's devices get a push: a silent gateway takes ten of the job's sixty seconds for each."""

_MAX_NAME = 200
_MARKS = (
    (Platform.ANDROID, ("okhttp", "android")),
    (Platform.IOS, ("iphone", "ipad", "cfnetwork", "darwin")),
    (Platform.WEB, ("mozilla",)),
)


def platform_named(name: str) -> Platform:
    """The platform that an app names, in any case."""
    return next((platform for platform in Platform if platform == name.casefold()), Platform.OTHER)


def platform_of(user_agent: str) -> Platform:
    """The kind of device that a user agent names."""
    agent = user_agent.casefold()
    return next((platform for platform, marks in _MARKS if any(mark in agent for mark in marks)), Platform.OTHER)


def name_of(user_agent: str) -> str | None:
    """The name of a device that the client does not name."""
    return user_agent.strip()[:_MAX_NAME] or None


def code_for(nonce: bytes, secret: str) -> str:
    """The six digits that follow from a random nonce (as in HOTP, RFC 4226 section 5.3).

    The web process and the worker both derive them, so that the code itself is never stored.
    """
    mac = hmac.digest(secret.encode(), b"code:" + nonce, sha256)
    return f"{int.from_bytes(mac) % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def digest_of(mobile: str, code: str, secret: str) -> str:
    """The keyed digest that is stored instead of a code; useless without the secret."""
    return hmac.digest(secret.encode(), f"digest:{mobile}:{code}".encode(), sha256).hex()


def code_of(mobile: str, nonce: bytes, digest: str, keys: Sequence[str]) -> str:
    """The code that was stored as this digest, under any of the keys: another process may use the next one already.

    Raises:
        LookupError: this process does not have the key yet.
    """
    for key in keys:
        code = code_for(nonce, key)
        if digest_of(mobile, code, key) == digest:
            return code
    raise LookupError("the code was made with another OTP_SECRET")
