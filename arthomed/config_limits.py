"""The settings of one-time codes and rate limits; read by config.settings()."""

from dataclasses import dataclass
from datetime import timedelta

from environs import Env
from marshmallow.validate import Range

from arthomed.config_readers import MINUTES_PER_DAY, duration

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Lockout:
    """After so many wrong codes, sign-in is refused for that time."""

    failures: int
    duration: timedelta


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """Lifetime, quotas and lockouts of one-time codes; an installation configures only the quotas.

    `daily_patient_quota` and `hourly_stranger_quota` limit the SMS to patients and to numbers without an account, for
    the whole clinic. `number_lockout` counts the wrong codes from all addresses (NIST SP 800-63B: at most 100).
    """

    hourly_quota_per_number: int
    hourly_quota_per_address: int
    daily_patient_quota: int
    hourly_stranger_quota: int
    lifetime: timedelta = timedelta(minutes=5)
    resend_after: timedelta = timedelta(minutes=1)
    max_attempts: int = 3
    address_lockout: Lockout = Lockout(5, timedelta(minutes=30))
    number_lockout: Lockout = Lockout(100, timedelta(days=1))


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How many requests are allowed in each `window`: for an IP address, for a user, and for groups of routes.

    `static` are the files of the dashboard for an address, `poll` the requests of a session for what has changed.
    """

    window: timedelta
    address: int
    user: int
    auth: int
    booking: int
    staff_booking: int
    upload: int
    static: int
    poll: int


def codes(env: Env) -> CodePolicy:
    return CodePolicy(
        hourly_quota_per_number=env.int("OTP_PER_NUMBER_HOUR", 10, validate=Range(1)),
        hourly_quota_per_address=env.int("OTP_PER_ADDRESS_HOUR", 100, validate=Range(1)),
        daily_patient_quota=env.int("OTP_PER_CLINIC_DAY", 5000, validate=Range(1)),
        hourly_stranger_quota=env.int("OTP_TO_STRANGERS_HOUR", 100, validate=Range(1)),
    )


def rate_limits(env: Env) -> RateLimits:
    window = Range(1000, MINUTES_PER_DAY * 60_000)
    return RateLimits(
        window=duration(env, "RATE_LIMIT_WINDOW_MS", 900_000, unit=_MILLISECOND, allowed=window),
        address=env.int("RATE_LIMIT_MAX_REQUESTS", 100, validate=Range(1)),
        user=env.int("RATE_LIMIT_USER_MAX_REQUESTS", 1000, validate=Range(1)),
        auth=env.int("RATE_LIMIT_AUTH_MAX_REQUESTS", 300, validate=Range(1)),
        booking=env.int("RATE_LIMIT_BOOKING_MAX_REQUESTS", 30, validate=Range(1)),
        staff_booking=env.int("RATE_LIMIT_STAFF_BOOKING_MAX_REQUESTS", 300, validate=Range(1)),
        upload=env.int("RATE_LIMIT_UPLOAD_MAX_REQUESTS", 30, validate=Range(1)),
        static=env.int("RATE_LIMIT_STATIC_MAX_REQUESTS", 3000, validate=Range(1)),
        poll=env.int("RATE_LIMIT_POLL_MAX_REQUESTS", 2000, validate=Range(1)),
    )
