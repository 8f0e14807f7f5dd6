"""Why a time can be booked or not; pure. Bookings, rescheduling and the explanation at the desk share these rules."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class BlockReason(StrEnum):
    """Why a person blocked a slot. A slot that a change of the hours or of the account blocked has no reason."""

    BREAK = "break"
    EMERGENCY = "emergency"
    MAINTENANCE = "maintenance"
    PERSONAL = "personal"
    OTHER = "other"


class Obstacle(StrEnum):
    """Why a time cannot be booked; codes of the API."""

    DOCTOR_INACTIVE = "DOCTOR_INACTIVE"
    PAST = "PAST"
    BEYOND_HORIZON = "BEYOND_HORIZON"
    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    BLOCKED = "BLOCKED"
    FULL = "FULL"


class SlotState(NamedTuple):
    """The part of a slot on which a booking depends."""

    starts_at: datetime
    is_blocked: bool
    is_full: bool


def day_obstacle(days_ahead: int, horizon_days: int) -> Obstacle | None:
    """Days can be booked from today to the end of the horizon."""
    if days_ahead < 0:
        return Obstacle.PAST
    return Obstacle.BEYOND_HORIZON if days_ahead >= horizon_days else None


def slot_obstacles(slot: SlotState | None, now: datetime) -> list[Obstacle]:
    """A slot can be booked until it starts, while it is not blocked and has a free seat."""
    if slot is None:
        return [Obstacle.OUTSIDE_HOURS]
    conditions = {
        Obstacle.PAST: slot.starts_at <= now,
        Obstacle.BLOCKED: slot.is_blocked,
        Obstacle.FULL: slot.is_full,
    }
    return [obstacle for obstacle, applies in conditions.items() if applies]


def obstacles(
    *, is_doctor_bookable: bool, days_ahead: int, horizon_days: int, slot: SlotState | None, now: datetime
) -> list[Obstacle]:
    """Everything that prevents a booking of a time of a doctor; outside the bookable days that is the day alone."""
    doctor = [] if is_doctor_bookable else [Obstacle.DOCTOR_INACTIVE]
    day = day_obstacle(days_ahead, horizon_days)
    return [*doctor, *(slot_obstacles(slot, now) if day is None else [day])]
