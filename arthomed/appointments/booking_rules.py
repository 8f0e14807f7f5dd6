"""What is booked by whom, and until when; pure."""

from datetime import datetime

from arthomed.appointments import rules
from arthomed.appointments.rules import Source, Status
from arthomed.config import Policy
from arthomed.scheduling import bookability


def status_when_booked(source: Source) -> Status:
    """What the reception books needs no confirmation."""
    return Status.PENDING if source is Source.APP else Status.CONFIRMED


def is_limited(source: Source) -> bool:
    """Whether the number of a patient's open appointments is limited: in the app, not at the desk."""
    return source is Source.APP


def ensure_bookable_day(days_ahead: int, policy: Policy) -> None:
    """An appointment can be booked from today to the end of the horizon."""
    if bookability.day_obstacle(days_ahead, policy.horizon_days) is not None:
        raise rules.SlotUnavailable


def ensure_can_start(ends_at: datetime, now: datetime) -> None:
    """A walk-in late in the evening gets no overflow place that could not be started any more."""
    if now > ends_at + rules.START_UNTIL:
        raise rules.SlotUnavailable
