"""When to send a message, by which channel, when to retry, and when to give up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from arthomed.core import clock
from arthomed.core.errors import ClinicError, Code

MAX_ATTEMPTS = 56  # with the delays below: about a day
_FIRST_DELAY = timedelta(seconds=10)
_MAX_BACKOFF = timedelta(minutes=30)
_MAX_DOUBLINGS = 10  # enough to reach _MAX_BACKOFF, and no overflow of timedelta
_JITTER_FRACTION = 0.2
MAX_RETRY_DELAY = _MAX_BACKOFF * (1 + _JITTER_FRACTION)
_IMMINENT = timedelta(hours=12)
_MORNING_SPREAD = timedelta(minutes=15)
CLOCK_SKEW = timedelta(seconds=2)
"""The largest expected difference between our machines' clocks; a new message is due that much earlier."""
MAX_CLOCK_SKEW = timedelta(minutes=1)
"""A record that was written further in the future than this comes from a machine whose clock was wrong."""
_SECRET_KINDS = frozenset({"code"})


class NotResendable(ClinicError):
    code: ClassVar[Code] = Code.INVALID_STATUS_TRANSITION
    message = "Only a failed message to a person can be sent again, and only before it expires"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours of the night, such as "21:00" to "08:00", in which messages that can wait are not sent."""

    begin: str
    end: str
    zone: ZoneInfo

    def ends_at(self, now: datetime) -> datetime | None:
        """The end of the present quiet hours; None outside of them."""
        today, time = clock.local_date(now, self.zone), f"{now.astimezone(self.zone):%H:%M}"
        if self.begin <= self.end:
            return clock.wall_clock(today, self.end, self.zone) if self.begin <= time < self.end else None
        if self.end <= time < self.begin:
            return None
        return clock.wall_clock(today + timedelta(days=time >= self.begin), self.end, self.zone)


def postponed_until(
    event_at: datetime | None, useful_until: datetime | None, *, quiet: QuietHours | None, now: datetime, jitter: float
) -> datetime | None:
    """The time after the quiet hours to which a message is postponed; None to send it now.

    A message without an event (a code), a message about an event in the next twelve hours, and a message that would
    expire in the meantime are sent now. `jitter`, from 0 to 1, spreads the postponed messages over 15 minutes.
    """
    end = quiet.ends_at(now) if quiet else None
    if end is None or event_at is None or now <= event_at <= now + _IMMINENT:
        return None
    morning = end + jitter * _MORNING_SPREAD
    return morning if is_useful(useful_until, morning) else None


def is_useful(useful_until: datetime | None, now: datetime) -> bool:
    return useful_until is None or now < useful_until


def is_channel_allowed(channel: str, kind: str) -> bool:
    """Codes go by SMS only: the clinic verifies no e-mail address, and a push shows on locked screens."""
    return channel == "sms" or not is_secret(kind)


def is_secret(kind: str) -> bool:
    """Whether a message contains a one-time code."""
    return kind in _SECRET_KINDS


def retry_delay(failures: int, *, jitter: float, retry_after: timedelta | None = None) -> timedelta:
    """Exponential backoff after the given number of failures (from 1): doubled each time, up to half an hour.

    `jitter`, from 0 to 1, changes the delay by up to a fifth either way, so that retries do not come all at once.
    A longer `retry_after` of the gateway takes precedence, up to half an hour.
    """
    factor: int = 2 ** min(failures - 1, _MAX_DOUBLINGS)
    delay = min(_FIRST_DELAY * factor, _MAX_BACKOFF) * (1 + _JITTER_FRACTION * (2 * jitter - 1))
    return max(delay, min(retry_after or delay, _MAX_BACKOFF))


def should_give_up(attempts: int, *, permanent: bool) -> bool:
    return permanent or attempts >= MAX_ATTEMPTS


def has_too_many_attempts(attempts: int) -> bool:
    """Whether this attempt exceeds the limit because the last one never ended, as when it killed its worker."""
    return attempts > MAX_ATTEMPTS
