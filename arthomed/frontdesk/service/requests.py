"""What waits for confirmation, each with the day around it, and what others have decided meanwhile."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from bson import ObjectId

from arthomed.appointments.models import Appointment, appointments_tag
from arthomed.appointments.parts import Change
from arthomed.appointments.rules import ACTIVE, Status
from arthomed.config import settings
from arthomed.core import cache, clock
from arthomed.core.actor import Actor
from arthomed.frontdesk import days
from arthomed.frontdesk.service import day_reads
from arthomed.scheduling.tags import day_tag
from arthomed.users.models import DOCTORS_TAG, User, user_tag

MAX_SHOWN = 25
_FILTERS = {"status": str(Status.PENDING)}
_DoctorsDay = tuple[ObjectId, date]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another appointment of the doctor on that day."""

    id: ObjectId
    starts_at: datetime
    is_pending: bool


@dataclass(frozen=True, slots=True)
class Request:
    """An appointment that waits for confirmation; `around` are the others of the doctor's day, in order."""

    appointment: Appointment
    around: Sequence[Neighbour]


@dataclass(frozen=True, slots=True)
class Decided:
    """A request that was shown, and that somebody else has decided; nobody when its time came."""

    appointment: Appointment
    decision: Change
    by: User | None


@dataclass(frozen=True, slots=True)
class Requests:
    """The oldest requests, oldest first."""

    waiting: Sequence[Request]
    decided: Sequence[Decided]
    has_more: bool

    @property
    def shown(self) -> list[ObjectId]:
        return [*(one.appointment.id for one in self.decided), *(one.appointment.id for one in self.waiting)]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What is read of each request to see whether something has changed."""

    id: ObjectId
    updated_at: datetime
    patient: ObjectId
    doctor: ObjectId
    day: date


def find(actor: Actor, shown: Collection[ObjectId] = ()) -> Requests:
    """The oldest requests, and those of `shown` that somebody else than the actor has decided meanwhile."""
    found = _waiting()
    cache.valid_while(lambda: _waiting() == found)
    waiting = found[:MAX_SHOWN]
    _depend_on(waiting, shown)
    around = _around({(one.doctor, one.day) for one in waiting})
    loaded = {one.id: one for one in Appointment.objects(id__in=[*(one.id for one in waiting), *shown])}
    appointments = [loaded[one.id] for one in waiting if one.id in loaded]
    decisions = {one.id: decision for one in loaded.values() if (decision := _decision(one))}
    decided = [one for one in loaded.values() if one.id in decisions and decisions[one.id].by != actor.user_id]
    Appointment.with_people([*appointments, *decided])
    _record_reads(actor, [*appointments, *decided])
    return Requests(
        [_request(one, around) for one in appointments], _decided(decided, decisions), len(found) > MAX_SHOWN
    )


def _depend_on(waiting: Iterable[_Waiting], shown: Collection[ObjectId]) -> None:
    """Declare what the list depends on, besides who waits; the ages in it are those of today."""
    patients = set(Appointment.objects(id__in=list(shown)).scalar("patient_id")) if shown else set()
    tags = {tag for patient in patients for tag in (user_tag(patient), appointments_tag(patient))}
    tags |= {tag for one in waiting for tag in (user_tag(one.patient), day_tag(one.doctor, one.day))}
    cache.depends_on(DOCTORS_TAG, *tags)
    cache.valid_until(days.begin_of(clock.today(settings().policy.timezone) + timedelta(days=1)))


def _waiting() -> list[_Waiting]:
    pending = Appointment.objects(status=Status.PENDING).order_by("created_at", "id").limit(MAX_SHOWN + 1)
    fields = ("id", "updated_at", "patient_id", "doctor_id", "appointment_date")
    return [
        _Waiting(id_, updated_at, patient, doctor, day.date())
        for id_, updated_at, patient, doctor, day in pending.scalar(*fields)
    ]


def _around(wanted: Collection[_DoctorsDay]) -> dict[_DoctorsDay, list[Neighbour]]:
    """The appointments of doctors' days that take place or wait for confirmation, in order."""
    found: dict[_DoctorsDay, list[Neighbour]] = defaultdict(list)
    active = days.of_days(wanted).filter(status__in=sorted({*ACTIVE, Status.COMPLETED}))
    for doctor, day, id_, starts_at, status in active.scalar(
        "doctor_id", "appointment_date", "id", "starts_at", "status"
    ):
        found[doctor, day.date()].append(Neighbour(id_, starts_at, status is Status.PENDING))
    return {which: sorted(around, key=lambda one: (one.starts_at, one.id)) for which, around in found.items()}


def _request(appointment: Appointment, around: dict[_DoctorsDay, list[Neighbour]]) -> Request:
    neighbours = around.get((appointment.doctor_id, appointment.appointment_date.date()), [])
    return Request(appointment, [one for one in neighbours if one.id != appointment.id])


def _decided(appointments: Iterable[Appointment], decisions: dict[ObjectId, Change]) -> list[Decided]:
    in_order = sorted(appointments, key=lambda one: (one.created_at, one.id))
    deciders = {by for one in in_order if (by := decisions[one.id].by)}
    if deciders:
        cache.depends_on(*map(user_tag, deciders))
    people = User.by_id(deciders)
    return [Decided(one, decisions[one.id], people.get(decisions[one.id].by)) for one in in_order]


def _decision(appointment: Appointment) -> Change | None:
    """The change that ended the wait for confirmation; None while it waits, and of a booking at the desk."""
    changes: Iterable[Change] = reversed(appointment.history)
    return next((one for one in changes if one.source is Status.PENDING and one.target is not Status.PENDING), None)


def _record_reads(actor: Actor, appointments: Iterable[Appointment]) -> None:
    patients = {one.id: one.patient_id for one in appointments}
    day_reads.record(actor, _FILTERS, patients)
    cache.on_reuse(partial(day_reads.record, filters=_FILTERS, patients=patients))
