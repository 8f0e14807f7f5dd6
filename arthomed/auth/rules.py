"""How a one-time code comes about, what is refused around it, and what a device is called."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import ClassVar

from arthomed.config import CodePolicy
from arthomed.core.errors import ClinicError, Code
from arthomed.core.limits import Limit
from arthomed.core.permissions import Role

CODE_DIGITS = 6


class Platform(StrEnum):
    ANDROID = "android"
    IOS = "ios"
    WEB = "web"
    OTHER = "other"


class CodeRefused(ClinicError):
    """A guess that lets nobody in."""


class CodeInvalid(CodeRefused):
    """It was compared; `locks` the number, as the last failure that is borne."""

    code: ClassVar[Code] = Code.OTP_INVALID
    message = "Invalid OTP"

    def __init__(self, *, locks: bool = False) -> None:
        super().__init__()
        self.locks = locks


class CodeExpired(CodeRefused):
    code: ClassVar[Code] = Code.OTP_EXPIRED
    message = "The OTP has expired, please ask for a new one"


class CodeUsedUp(CodeRefused):
    code: ClassVar[Code] = Code.OTP_MAX_ATTEMPTS
    message = "Too many wrong attempts, please ask for a new OTP"


class AccountLocked(CodeRefused):
    code: ClassVar[Code] = Code.ACCOUNT_LOCKED
    message = "Too many failed attempts, please try again later"


class UserNotFound(ClinicError):
    code: ClassVar[Code] = Code.USER_NOT_FOUND
    message = "Invalid token. User not found."


class UserInactive(ClinicError):
    code: ClassVar[Code] = Code.USER_INACTIVE
    message = "Account has been deactivated."


class SessionRevoked(ClinicError):
    code: ClassVar[Code] = Code.SESSION_REVOKED
    message = "This session has ended. Please log in again."


def limits_on_codes(mobile: str, address: str, policy: CodePolicy) -> list[Limit]:
    """How many codes a number, an address and the whole clinic may ask for."""
    return [
        Limit(f"resend:{mobile}", 1, policy.resend_after),
        Limit(f"number:{mobile}", policy.hourly_quota_per_number, timedelta(hours=1)),
        Limit(f"address:{address}", policy.hourly_quota_per_address, timedelta(hours=1)),
        Limit("clinic", policy.daily_quota, timedelta(days=1)),
    ]


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a number's live code was answered, and the number failed in the window that ends then."""

    digest: str
    attempts: int
    is_used: bool
    expires_at: datetime
    failures: int
    failures_end_at: datetime | None

    def refusal(self, digests: Sequence[str], *, now: datetime, policy: CodePolicy) -> CodeRefused | None:
        """Why a guess, digested with each key, is not let in; None when it is right."""
        ends_at = self.failures_end_at
        if self.failures >= policy.failures_to_lock and ends_at is not None and ends_at > now:
            return AccountLocked(retry_after=ends_at - now)
        if self.is_used or self.expires_at <= now:
            return CodeExpired()
        if self.attempts >= policy.max_attempts:
            return CodeUsedUp()
        if any(hmac.compare_digest(self.digest, one) for one in digests):
            return None
        return CodeInvalid(locks=self.failed_again(now=now, policy=policy)[0] == policy.failures_to_lock)

    def failed_again(self, *, now: datetime, policy: CodePolicy) -> tuple[int, datetime]:
        """With one more failure: how many there are, and when their window ends.

        It begins with the first of them, and anew with the one that locks the number.
        """
        if self.failures_end_at is None or self.failures_end_at <= now:
            return 1, now + policy.lock
        failures = self.failures + 1
        return failures, now + policy.lock if failures >= policy.failures_to_lock else self.failures_end_at


def agrees_to(notice: str, role: Role, earlier: Sequence[str], *, is_named: bool) -> bool:
    """Whether a patient who signs in agrees to another privacy notice than the last of those before.

    One that the app did not name counts only as the first.
    """
    if role is not Role.PATIENT:
        return False
    return not earlier or (is_named and earlier[-1] != notice)


REFRESH_GRACE = timedelta(seconds=30)
"""How long the refresh token before the newest still works: the app may have lost the answer."""

USE_NOTED_AFTER = timedelta(minutes=5)
"""How exactly it is known when a device was last used; noting each request would be a write for each."""

MOST_PUSHED = 4
"""How many of a person's devices are told by push: a silent gateway takes ten of the sixty seconds for each."""

_MAX_NAME = 200
_MARKS = (
    (Platform.ANDROID, ("okhttp", "android")),
    (Platform.IOS, ("iphone", "ipad", "cfnetwork", "darwin")),
    (Platform.WEB, ("mozilla",)),
)


def platform_of(user_agent: str) -> Platform:
    """Which kind of device calls itself so."""
    told = user_agent.casefold()
    return next((platform for platform, marks in _MARKS if any(mark in told for mark in marks)), Platform.OTHER)


def name_of(user_agent: str) -> str | None:
    """What to call a device that gave itself no name."""
    return user_agent.strip()[:_MAX_NAME] or None


def code_for(nonce: bytes, secret: str) -> str:
    """The six digits that belong to a random nonce (the way of HOTP, RFC 4226 section 5.3).

    The web process and the worker both derive them, so that the code itself is stored nowhere.
    """
    mac = hmac.digest(secret.encode(), b"code:" + nonce, sha256)
    return f"{int.from_bytes(mac) % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def digest_of(mobile: str, code: str, secret: str) -> str:
    """What is stored in place of a code; of no use without the secret."""
    return hmac.digest(secret.encode(), f"digest:{mobile}:{code}".encode(), sha256).hex()


def code_of(mobile: str, nonce: bytes, digest: str, keys: Sequence[str]) -> str:
    """The code that was stored as this digest, under whichever key: another process may have changed to the next one.

    Raises:
        LookupError: this process does not know the key yet.
    """
    for key in keys:
        code = code_for(nonce, key)
        if digest_of(mobile, code, key) == digest:
            return code
    raise LookupError("the code was made with another OTP_SECRET")
