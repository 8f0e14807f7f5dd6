"""The list of the day: the queues of all doctors or of one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from bson import ObjectId

from arthomed.appointments.models import Appointment, appointments_tag
from arthomed.core import cache, clock
from arthomed.core.actor import Actor
from arthomed.core.errors import NotFound
from arthomed.core.permissions import Role
from arthomed.files.models import File
from arthomed.frontdesk.rules import Stage
from arthomed.frontdesk.service import day_reads, lines
from arthomed.notifications.states import MessageStates
from arthomed.scheduling.models import day_tag
from arthomed.users.models import DOCTORS_TAG, User, user_tag

MAX_ITEMS = 1000
_MAX_CACHED_DOCTORS = 100  # each has a tag
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class DoctorOfDay:
    id: ObjectId
    name: str
    counts: dict[str, int]
    delay_minutes: int = 0
    on_leave: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    date: date
    doctors: list[DoctorOfDay]
    items: list[Appointment]


def get(actor: Actor, day: date, doctor_id: ObjectId | None = None) -> Day:
    """A day in queue order, doctor by doctor; doctors see their own.

    Raises:
        NotFound: there is no such doctor, or a doctor asks for another one's queue.
    """
    doctors = _doctors(actor, doctor_id)
    only = doctors[0].id if doctor_id or actor.role is Role.DOCTOR else None
    _depend_on(day, doctors, only)
    appointments = list(Appointment.of_day(day, lines.begin_of(day), only).limit(MAX_ITEMS))
    found = lines.by_doctor(Appointment.with_people(appointments))
    shown = sorted({one.id: one for one in [*doctors, *(one.doctor for one in appointments)]}.values(), key=_by_name)
    now = _whole_minute(clock.now())
    items = [item for doctor in shown for item in lines.show(found.get(doctor.id, []), now)]
    _add_messages(items)
    _add_first_appointments(items, lines.begin_of(day))
    _limit_validity(items, now)
    filters: dict[str, object] = {"date": f"{day}", **({"doctorId": str(only)} if only else {})}
    _record_reads(actor, filters, items)
    return Day(day, [_doctor_of_day(doctor, items) for doctor in shown], items)


def _doctors(actor: Actor, doctor_id: ObjectId | None) -> list[User]:
    if actor.role is Role.DOCTOR:
        if doctor_id not in (None, actor.user_id):
            raise NotFound("Doctor not found")
        doctor_id = actor.user_id
    cache.depends_on(DOCTORS_TAG)
    if doctor_id is None:
        return list(User.bookable_doctors().only("name"))
    doctor = User.objects(id=doctor_id, role=Role.DOCTOR).only("name").first()
    if doctor is None:
        raise NotFound("Doctor not found")
    return [doctor]


def _depend_on(day: date, doctors: Sequence[User], only: ObjectId | None) -> None:
    """Declare the tags: a doctor's slots of the day change with each booking, the patients' with each other change."""
    if len(doctors) > _MAX_CACHED_DOCTORS:
        cache.valid_until(clock.now())
        return
    cache.depends_on(*(day_tag(doctor.id, day) for doctor in doctors))
    patients = Appointment.of_day(day, lines.begin_of(day), only).distinct("patient_id")
    cache.depends_on(*map(appointments_tag, patients), *map(user_tag, patients))


def _add_messages(items: Iterable[Appointment]) -> None:
    items = list(items)
    states = MessageStates([item.id for item in items])
    cache.valid_while(states.are_current)
    by_subject = states.of_subjects()
    for item in items:
        item.message_state = by_subject.get(item.id)


def _add_first_appointments(items: Sequence[Appointment], day_begins: datetime) -> None:
    treated = Appointment.treated_before([item.patient_id for item in items], day_begins)
    for item in items:
        item.is_first_appointment = item.patient_id not in treated


def _limit_validity(items: Sequence[Appointment], now: datetime) -> None:
    """Expected waits change with the minute; workers change and delete files without a tag."""
    if any(item.in_queue.expected_wait for item in items):
        cache.valid_until(now + _MINUTE)
    if files := {image.id: image.state for item in items for image in item.images}:
        cache.valid_while(lambda: dict(File.available().filter(id__in=list(files)).scalar("id", "state")) == files)


def _record_reads(actor: Actor, filters: dict[str, object], items: Sequence[Appointment]) -> None:
    patients = {item.id: item.patient_id for item in items}
    day_reads.record(actor, filters, patients)
    cache.on_reuse(partial(day_reads.record, filters=filters, patients=patients))


def _doctor_of_day(doctor: User, items: Iterable[Appointment]) -> DoctorOfDay:
    counts = Counter(item.in_queue.stage for item in items if item.doctor_id == doctor.id)
    return DoctorOfDay(doctor.id, doctor.name, {str(stage): counts[stage] for stage in Stage})


def _by_name(doctor: User) -> tuple[str, ObjectId]:
    return doctor.name.casefold(), doctor.id


def _whole_minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)
