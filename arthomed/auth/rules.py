"""Rules of one-time codes, refresh tokens, and how a device is named."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import ClassVar

from arthomed.config import CodePolicy
from arthomed.core.errors import ClinicError, Code
from arthomed.core.permissions import Role
from arthomed.core.quota import Quota

CODE_DIGITS = 6


class Platform(StrEnum):
    ANDROID = "android"
    IOS = "ios"
    WEB = "web"
    OTHER = "other"


class CodeRefused(ClinicError):
    """A guess that does not sign in."""


class CodeInvalid(CodeRefused):
    """A wrong guess; `locks` is true for the last one before the number is locked."""

    code: ClassVar[Code] = Code.OTP_INVALID
    message = "Invalid OTP"

    def __init__(self, *, locks: bool = False) -> None:
        super().__init__()
        self.locks = locks


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


class SessionRevoked(ClinicError):
    code: ClassVar[Code] = Code.SESSION_REVOKED
    message = "This session has ended. Please log in again."


def otp_quotas(mobile: str, address: str, policy: CodePolicy) -> list[Quota]:
    """How many codes a number, an address and the whole clinic may request."""
    return [
        Quota(f"resend:{mobile}", 1, policy.resend_after),
        Quota(f"number:{mobile}", policy.hourly_quota_per_number, timedelta(hours=1)),
        Quota(f"address:{address}", policy.hourly_quota_per_address, timedelta(hours=1)),
        Quota("clinic", policy.daily_quota, timedelta(days=1)),
    ]


@dataclass(frozen=True, slots=True)
class OtpAttempts:
    """The attempts at a number's live code, and the failures of the number in the window that ends then."""

    digest: str
    attempts: int
    is_used: bool
    expires_at: datetime
    failures: int
    failures_end_at: datetime | None

    def refusal(self, digests: Sequence[str], *, now: datetime, policy: CodePolicy) -> CodeRefused | None:
        """Why a guess, digested with each key, is refused; None when it is right."""
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
        """The number of failures with one more, and the end of their window.

        The window begins with the first failure, and again with the failure that locks the number.
        """
        if self.failures_end_at is None or self.failures_end_at <= now:
            return 1, now + policy.lock
        failures = self.failures + 1
        return failures, now + policy.lock if failures >= policy.failures_to_lock else self.failures_end_at


def agrees_to(notice: str, role: Role, earlier: Sequence[str], *, is_named: bool) -> bool:
    """Whether signing in is a new consent of a patient: to a first notice, or to one that the app names as newer.

    A notice that the app did not name counts only as the first.
    """
    if role is not Role.PATIENT:
        return False
    return not earlier or (is_named and earlier[-1] != notice)


REFRESH_GRACE = timedelta(seconds=30)
"""How long the previous refresh token still works: the app may have lost the response with the new one."""

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
