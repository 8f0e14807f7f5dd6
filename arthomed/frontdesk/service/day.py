"""The list of the day: the queues of all doctors or of one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from bson import ObjectId

from arthomed.appointments.stages import InQueue, Stage
from arthomed.core import cache, clock
from arthomed.core.actor import Actor
from arthomed.core.errors import NotFound
from arthomed.core.permissions import Role
from arthomed.files.models import File
from arthomed.frontdesk.matching import matches
from arthomed.frontdesk.rules import Entry, position
from arthomed.frontdesk.service import day_reads, lines, rows
from arthomed.frontdesk.service.rows import Row
from arthomed.notifications.states import MessageStates
from arthomed.scheduling.models import Slot
from arthomed.scheduling.tags import day_tag, schedule_tag
from arthomed.users.models import DOCTORS_TAG, User

_MAX_CACHED_DOCTORS = 100  # each has a tag
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class DoctorOfDay:
    """A doctor and the counts of the queue; `on_leave` if there are slots on the day and all of them are blocked."""

    id: ObjectId
    name: str
    counts: dict[str, int]
    delay_minutes: int = 0
    on_leave: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """Everything that a row of the list shows."""

    row: Row
    in_queue: InQueue
    message_state: str | None


@dataclass(frozen=True, slots=True)
class Day:
    date: date
    doctors: list[DoctorOfDay]
    items: list[Item]


def get(actor: Actor, day: date, doctor_id: ObjectId | None = None) -> Day:
    """A day in queue order, doctor by doctor; doctors see their own.

    Raises:
        NotFound: there is no such doctor, or a doctor asks for another one's queue.
    """
    doctors = _doctors(actor, doctor_id)
    only = doctors[0].id if doctor_id or actor.role is Role.DOCTOR else None
    found = _load(day, doctors, only)
    _record_reads(actor, _filters(day, only), found.items)
    return found


def find(
    actor: Actor, day: date, doctor_id: ObjectId | None = None, *, stage: Stage | None = None, search: str = ""
) -> Day:
    """A day in one queue order of all doctors, of which some appointments are shown; the counts are of all of them.

    Raises:
        NotFound: a doctor asks for another one's queue.
    """
    own = actor.signed_in_user_id if actor.role is Role.DOCTOR else None
    loaded = _load(day, _doctors(actor, own), own)
    if doctor_id is not None and doctor_id not in {doctor.id for doctor in loaded.doctors}:
        raise NotFound("Doctor not found")
    shown = [item for item in loaded.items if _is_shown(item, doctor_id, stage, search)]
    wanted = {"stage": stage and str(stage), "search": search}
    filters = {**_filters(day, own or doctor_id), **{name: value for name, value in wanted.items() if value}}
    _record_reads(actor, filters, shown)
    return Day(day, loaded.doctors, sorted(shown, key=_position))


def doctors_of(day: date) -> list[DoctorOfDay]:
    """The doctors of a day with the counts of their queues, in the order of the list; it names no patient."""
    return _load(day, _all_doctors(), None).doctors


def of_patient(actor: Actor, day: date, patient_id: ObjectId) -> Day:
    """What a patient and the family have on a day, with the counts of all queues."""
    loaded = _load(day, _all_doctors(), None)
    own = [item for item in loaded.items if item.row.appointment.patient_id == patient_id]
    _record_reads(actor, {"date": f"{day}", "patientId": str(patient_id)}, own)
    return Day(day, loaded.doctors, own)


def _is_shown(item: Item, doctor_id: ObjectId | None, stage: Stage | None, search: str) -> bool:
    appointment, place = item.row.appointment, item.in_queue
    if doctor_id not in (None, appointment.doctor_id) or stage not in (None, place.stage):
        return False
    names = {appointment.person_name, appointment.patient.name}
    return not search or matches(
        search, names=sorted(names), mobile=appointment.patient.mobile_number, token=place.token
    )


def _position(item: Item) -> tuple[object, ...]:
    return position(Entry(item.row.appointment, item.in_queue.stage))


def _filters(day: date, doctor_id: ObjectId | None) -> dict[str, object]:
    return {"date": f"{day}", **({"doctorId": str(doctor_id)} if doctor_id else {})}


def _load(day: date, doctors: Sequence[User], only: ObjectId | None) -> Day:
    _depend_on(day, doctors)
    found = {row.id: row for row in rows.of_day(day, only)}
    shown = {one.id: one for one in [*doctors, *(row.appointment.doctor for row in found.values())]}
    in_order = sorted(shown.values(), key=_by_name)
    away = Slot.doctors_away_on(day, list(shown))
    items = _items(found, in_order, _whole_minute(clock.now()))
    return Day(day, [_doctor_of_day(doctor, items, on_leave=doctor.id in away) for doctor in in_order], items)


def _doctors(actor: Actor, doctor_id: ObjectId | None) -> list[User]:
    if actor.role is Role.DOCTOR:
        if doctor_id not in (None, actor.user_id):
            raise NotFound("Doctor not found")
        doctor_id = actor.user_id
    cache.depends_on(DOCTORS_TAG)
    if doctor_id is None:
        return _all_doctors()
    doctor = User.objects(id=doctor_id, role=Role.DOCTOR).only("name").first()
    if doctor is None:
        raise NotFound("Doctor not found")
    return [doctor]


def _all_doctors() -> list[User]:
    return list(User.bookable_doctors().only("name"))


def _depend_on(day: date, doctors: Sequence[User]) -> None:
    """A new appointment of the day changes the tag of its doctor's slots of the day, other hours that of all slots."""
    if len(doctors) > _MAX_CACHED_DOCTORS:
        cache.valid_until(clock.now())
    else:
        cache.depends_on(*(tag for doctor in doctors for tag in (day_tag(doctor.id, day), schedule_tag(doctor.id))))


def _items(found: dict[ObjectId, Row], doctors: Iterable[User], now: datetime) -> list[Item]:
    queues = lines.by_doctor(row.appointment for row in found.values())
    states = MessageStates(found)
    cache.valid_while(states.are_current)
    File.follow(dict(file for row in found.values() for file in row.files))
    by_subject = states.of_subjects()
    items = []
    for doctor in doctors:
        for appointment, in_queue in lines.show(queues.get(doctor.id, []), now):
            items.append(Item(found[appointment.id], in_queue, by_subject.get(appointment.id)))
            if in_queue.expected_wait:  # it changes with the minute
                cache.valid_until(now + _MINUTE)
    return items


def _record_reads(actor: Actor, filters: Mapping[str, object], shown: Iterable[Item]) -> None:
    patients = {item.row.id: item.row.appointment.patient_id for item in shown}
    day_reads.record(actor, filters, patients)
    cache.on_reuse(partial(day_reads.record, filters=filters, patients=patients))


def _doctor_of_day(doctor: User, items: Iterable[Item], *, on_leave: bool) -> DoctorOfDay:
    counts = Counter(item.in_queue.stage for item in items if item.row.appointment.doctor_id == doctor.id)
    return DoctorOfDay(doctor.id, doctor.name, {str(stage): counts[stage] for stage in Stage}, on_leave=on_leave)


def _by_name(doctor: User) -> tuple[str, ObjectId]:
    return doctor.name.casefold(), doctor.id


def _whole_minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)
