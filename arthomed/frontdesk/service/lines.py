"""The queues of a day as responses show them."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.appointments.stages import InQueue
from arthomed.config import settings
from arthomed.frontdesk import days, rules, waits
from arthomed.frontdesk.rules import Entry

Line = list[Entry[Appointment]]


def of_doctor(doctor: ObjectId, day: date) -> Line:
    """The queue of a doctor's day."""
    return rules.line_up(list(days.of_day(day, doctor)))


def by_doctor(appointments: Iterable[Appointment]) -> dict[ObjectId, Line]:
    """The queue of each doctor who has appointments."""
    by_id: dict[ObjectId, list[Appointment]] = {}
    for one in appointments:
        by_id.setdefault(one.doctor_id, []).append(one)
    return {doctor: rules.line_up(day) for doctor, day in by_id.items()}


def show(line: Sequence[Entry[Appointment]], now: datetime) -> list[tuple[Appointment, InQueue]]:
    """The appointments of a queue in order, each with its place."""
    slot = timedelta(minutes=settings().policy.slot_minutes)
    expected = waits.expected_waits(line, now, slot=slot)
    return [(one.appointment, InQueue.of(one.appointment, one.stage, expected.get(one.appointment.id))) for one in line]
