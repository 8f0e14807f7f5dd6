"""When a message leaves, by which way, when it is tried again, and when it is given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from arthomed.core import clock
from arthomed.core.errors import ClinicError, Code

MAX_ATTEMPTS = 56  # with the waits below: about a day
_FIRST_WAIT = timedelta(seconds=10)
_LONGEST_DOUBLED = timedelta(minutes=30)
_MOST_DOUBLINGS = 10  # far above the longest wait, far below what a timedelta can't hold
_JITTER = 0.2
LONGEST_WAIT = _LONGEST_DOUBLED * (1 + _JITTER)
_NEAR = timedelta(hours=12)
_MORNING = timedelta(minutes=15)  # over which what waited for it is spread
CLOCKS_APART = timedelta(seconds=2)
"""How far the clocks of our machines may be from each other; what is new is due that much earlier."""
WRONG_CLOCK = timedelta(minutes=1)
"""What is written further ahead than this was written by a clock that was put back since, or has to be."""
_SECRET_KINDS = frozenset({"code"})


class NotToBeResent(ClinicError):
    code: ClassVar[Code] = Code.INVALID_STATUS_TRANSITION
    message = "Only a failed message to a person can be sent again, and only while it is of use"


@dataclass(frozen=True, slots=True)
class Quiet:
    """The hours, "21:00" to "08:00", in which people sleep."""

    begin: str
    end: str
    zone: ZoneInfo

    def ends_at(self, now: datetime) -> datetime | None:
        """When the present quiet hours end; None outside of them."""
        today, time = clock.local_date(now, self.zone), f"{now.astimezone(self.zone):%H:%M}"
        if self.begin <= self.end:
            return clock.wall_clock(today, self.end, self.zone) if self.begin <= time < self.end else None
        if self.end <= time < self.begin:
            return None
        return clock.wall_clock(today + timedelta(days=time >= self.begin), self.end, self.zone)


def put_aside_until(
    about: datetime | None, useful_until: datetime | None, *, quiet: Quiet | None, now: datetime, luck: float
) -> datetime | None:
    """A time in the morning, when a message need not wake anybody; `about` is when what it tells about begins.

    What is awaited, what begins within twelve hours, and what is of no more use by then leaves at once. `luck`, from
    0 to 1, spreads what waits.
    """
    end = quiet.ends_at(now) if quiet else None
    if end is None or about is None or now <= about <= now + _NEAR:
        return None
    morning = end + luck * _MORNING
    return morning if is_of_use(useful_until, morning) else None


def is_of_use(useful_until: datetime | None, now: datetime) -> bool:
    return useful_until is None or now < useful_until


def may_go_by(channel: str, kind: str, *, address_is_verified: bool = False) -> bool:
    """A code proves who holds the number, so it goes there, else only to an address known to be the same person's.

    The clinic verifies no address so far: codes never go by e-mail, nor by push, which shows on locked screens.
    """
    return channel == "sms" or not is_secret(kind) or (channel == "email" and address_is_verified)


def is_secret(kind: str) -> bool:
    """Whether a message is a code."""
    return kind in _SECRET_KINDS


def wait_before(attempt: int, *, luck: float, asked: timedelta | None = None) -> timedelta:
    """How long to wait after the `attempt`-th failure (from 1): doubled each time, up to half an hour.

    `luck`, from 0 to 1, moves it by a fifth either way, so that what failed together does not come back together.
    A wait that the other side asked for is kept, up to the same half an hour.
    """
    factor: int = 2 ** min(attempt - 1, _MOST_DOUBLINGS)
    wait = min(_FIRST_WAIT * factor, _LONGEST_DOUBLED) * (1 + _JITTER * (2 * luck - 1))
    return max(wait, min(asked or wait, _LONGEST_DOUBLED))


def is_given_up(attempts: int, *, permanent: bool) -> bool:
    return permanent or attempts >= MAX_ATTEMPTS


def is_worn_out(attempts: int) -> bool:
    """Whether an attempt is one too many: the last one did not even end, as when it killed its worker."""
    return attempts > MAX_ATTEMPTS
