"""What a user reads when there can be no appointment at the requested time."""

from typing import Any

from pymongo.errors import DuplicateKeyError

from arthomed.appointments import rules
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.errors import ClinicError, DuplicateValue
from arthomed.scheduling.models import Slot
from arthomed.scheduling.seats import Start

ALTERNATIVES = 3


def of_time(error: ClinicError | DuplicateKeyError, start: Start, *, is_own: bool) -> Exception:
    """The refusal to raise for an error: with the nearest free slots, or with what the patient already has."""
    fields: dict[str, Any] = (error.details or {}).get("keyPattern", {}) if isinstance(error, DuplicateKeyError) else {}
    if "seat" in fields:
        return rules.SlotTaken(_nearest_free(start))
    if isinstance(error, rules.SlotUnavailable):
        return type(error)(_nearest_free(start))
    if "patient" in fields:
        has = "You already have" if is_own else "The patient already has"
        what = "at that time" if "startsAt" in fields else "with this doctor on that day"
        return DuplicateValue(f"{has} an appointment {what}")
    return error


def _nearest_free(start: Start) -> list[dict[str, str]]:
    """The doctor's free slots nearest to the start, or to now, the closest first."""
    doctor_id, day, time = start
    now = clock.now()
    requested = now if time is None else clock.wall_clock(day, time, settings().policy.timezone)
    return [
        {
            "doctorId": str(slot.doctor),
            "appointmentDate": f"{slot.date:%Y-%m-%d}",
            "appointmentTime": slot.start_time,
        }
        for slot in Slot.nearest_free([doctor_id], requested, now=now, limit=ALTERNATIVES)
    ]
