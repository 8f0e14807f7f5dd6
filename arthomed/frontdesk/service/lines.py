"""The queues of a day as responses show them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bson import ObjectId

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Priority
from arthomed.config import settings
from arthomed.frontdesk import days, rules, waits
from arthomed.frontdesk.rules import Entry, Stage
from arthomed.frontdesk.waits import Wait

Line = list[Entry[Appointment]]


@dataclass(frozen=True, slots=True)
class InQueue:
    """The place of an appointment in the queue of its day; most of it is None until the patient arrives."""

    stage: Stage
    token: int | None
    arrived_at: datetime | None
    called_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    priority: Priority | None
    skips: int
    expected_wait: Wait | None


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
    return [(entry.appointment, _place(entry, expected.get(entry.appointment.id))) for entry in line]


def _place(entry: Entry[Appointment], wait: Wait | None) -> InQueue:
    appointment, queue = entry.appointment, entry.appointment.queue
    return InQueue(
        stage=entry.stage,
        token=queue and queue.token,
        arrived_at=queue and queue.arrived_at,
        called_at=queue and queue.called_at,
        started_at=appointment.started_at,
        completed_at=appointment.completed_at,
        priority=queue and queue.priority,
        skips=queue.skips if queue else 0,
        expected_wait=wait,
    )
