"""Use cases of weekly hours and slots."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.config import settings
from arthomed.core import clock, jobs, metrics
from arthomed.core.actor import Actor
from arthomed.core.copies import changed
from arthomed.core.documents import Raw, transaction
from arthomed.core.errors import FieldError, NotFound, ValidationFailed
from arthomed.core.paging import Page, PageRequest
from arthomed.core.permissions import Role
from arthomed.core.reading import Found, Reading
from arthomed.scheduling import rules
from arthomed.scheduling.models import Slot, slots_of
from arthomed.scheduling.rules import Change, ExistingSlot, PlannedSlot
from arthomed.users import service as users
from arthomed.users.models import DOCTORS, Hours, User

log = structlog.get_logger()

MAX_AVAILABILITY_DAYS = 42  # one page of a calendar
_DOCTORS_AT_ONCE = 20  # about a second's work when all of their slots are new
_BATCHES_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class DaySlots:
    """The doctor and the slots as they are stored."""

    doctor: Raw
    date: date
    available_slots: list[Raw]
    booked_slots: list[Raw]


@dataclass(frozen=True, slots=True)
class SavedSchedule:
    """`conflicts` are booked slots that the new hours don't cover."""

    doctor: User
    conflicts: list[ExistingSlot]


def list_doctors(asked: PageRequest, *, on: date | None = None, **filters: Any) -> Reading[Page[Raw]]:
    """Doctors who can be booked; `on` keeps those with a free slot on that day."""
    among = None if on is None else Slot.find_doctors_free_on(on, now=clock.now())
    return users.list_doctors(asked, among=among, **filters)


def slots_of_day(doctor_id: ObjectId, day: date) -> Reading[DaySlots]:
    """What can be booked with a doctor on a day, and what is taken; of a past day nothing."""
    finds, zone = {"doctor": User.find_bookable_doctor(doctor_id)}, settings().policy.timezone
    if day >= clock.today(zone):
        finds["slots"] = Slot.find_of_day(doctor_id, day)

    def answer(found: Found) -> DaySlots:
        if not found["doctor"]:
            raise NotFound
        now, slots = clock.now(), found.get("slots", [])
        return DaySlots(
            doctor=found["doctor"][0],
            date=day,
            available_slots=[slot for slot in slots if slot["isAvailable"] and slot["startsAt"] > now],
            booked_slots=[slot for slot in slots if slot["bookedPatients"] and not slot["isAvailable"]],
        )

    def until(told: DaySlots) -> datetime:
        starts: list[datetime] = [slot["startsAt"] for slot in told.available_slots]
        return min([clock.wall_clock(day + timedelta(days=1), "00:00", zone), *starts])

    return Reading(finds, answer, (DOCTORS, slots_of(doctor_id)), until)


def availability(doctor_id: ObjectId, first: date, last: date) -> list[dict[str, Any]]:
    """Free and total slots of each day from the first to the last."""
    if not 0 <= (last - first).days < MAX_AVAILABILITY_DAYS:
        raise ValidationFailed.of("to", f"Must be from 0 to {MAX_AVAILABILITY_DAYS - 1} days after `from`", str(last))
    users.doctor(doctor_id)
    counted = {row["_id"].date(): row for row in Slot.counts_by_day(doctor_id, first, last, now=clock.now())}
    return [
        {"date": day, "free": counted.get(day, {}).get("free", 0), "total": counted.get(day, {}).get("total", 0)}
        for day in clock.days(first, (last - first).days + 1)
    ]


def save_schedule(actor: Actor, doctor_id: ObjectId, week: list[dict[str, Any]]) -> SavedSchedule:
    """Replace a doctor's weekly hours; the free slots of the horizon follow in the same transaction.

    Raises:
        NotFound: no such doctor, or another doctor asks.
        ValidationFailed: a range overlaps another, or is no multiple of the slot length.
    """
    if actor.role is Role.DOCTOR and actor.user_id != doctor_id:
        raise NotFound
    hours = [Hours(**one) for one in week]
    _ensure_sound(hours)

    def work(session: ClientSession) -> tuple[User, Change | None]:
        before = users.get(doctor_id, session)
        doctor = _lock(doctor_id, session, schedule=[one.to_mongo() for one in hours])
        audit.record_change(
            actor,
            Action.CHANGE,
            Kind.SCHEDULE,
            doctor_id,
            subject=doctor_id,
            session=session,
            changes=audit.differences(before.doctor_info.to_mongo(), doctor.doctor_info.to_mongo(), "doctorInfo."),
        )
        return doctor, _sync(doctor, session)

    doctor, change = transaction(work)
    _count(change)
    return SavedSchedule(doctor, change.conflicts if change else [])


def sync_doctor(doctor_id: ObjectId) -> Change | None:
    """Bring one doctor's slots in line with the hours; None for who can't be booked.

    Idempotent, also when it runs twice at the same time: the transaction writes to the doctor, so that
    two runs for one doctor come one after the other.
    """
    change = transaction(lambda session: _sync(_lock(doctor_id, session), session))
    _count(change)
    return change


def sync_doctors(doctor_ids: Sequence[ObjectId]) -> int:
    """The same for several, most of whose slots are in line; returns how many slots are new."""
    now, made = clock.now(), 0
    stored = Slot.shapes(doctor_ids, after=now)
    for doctor in User.bookable_doctors().filter(id__in=doctor_ids).only("doctor_info"):
        wanted = rules.shapes(_planned(doctor, now), fee=doctor.doctor_info.consultation_fee)
        if stored.get(doctor.id, {}) != wanted:
            change = sync_doctor(doctor.id)
            made += len(change.made) if change else 0
    return made


def generate() -> int:
    """Make the slots of the whole horizon for every doctor, here and now; returns how many are new.

    While MongoDB is busy with some, the next ones are made ready.
    """
    with ThreadPoolExecutor(_BATCHES_AT_ONCE) as pool:
        made = sum(pool.map(sync_doctors, _batches_of_doctors()))
    log.info("slots_generated", made=made)
    return made


def ask_for_generation() -> None:
    """Ask for a job for some doctors each, so that the night's work is shared and a killed job loses little."""
    for doctor_ids in _batches_of_doctors():
        jobs.enqueue(jobs.Job.SYNC_SLOTS, *map(str, doctor_ids))


def _batches_of_doctors() -> Iterator[list[ObjectId]]:
    ids = list(User.bookable_doctors().scalar("id"))
    return (ids[start : start + _DOCTORS_AT_ONCE] for start in range(0, len(ids), _DOCTORS_AT_ONCE))


def _lock(doctor_id: ObjectId, session: ClientSession, schedule: list[Any] | None = None) -> User:
    """Write to the doctor, so that this transaction is the only one at work on their slots."""
    update: dict[str, Any] = {"$inc": {"slotsVersion": 1}}
    if schedule is not None:
        changed(DOCTORS)
        update["$set"] = {"doctorInfo.schedule": schedule, "updatedAt": clock.now()}
    raw = User.collection().find_one_and_update(
        {"_id": doctor_id, "role": Role.DOCTOR}, update, return_document=ReturnDocument.AFTER, session=session
    )
    if raw is None:
        raise NotFound
    doctor: User = User.from_raw(raw)
    return doctor


def _sync(doctor: User, session: ClientSession) -> Change | None:
    """Let the slots follow; those of a doctor who can't be booked stay closed."""
    if not doctor.is_bookable:
        return None
    now, fee = clock.now(), doctor.doctor_info.consultation_fee
    existing = Slot.existing(doctor.id, after=now, session=session)
    change = rules.change(_planned(doctor, now), existing, fee=fee, after=now)
    if change.is_needed:
        Slot.apply(change, doctor.id, fee=fee, session=session)
    return change


def _count(change: Change | None) -> None:
    """After the commit."""
    metrics.SLOTS.add(by=len(change.made) if change else 0)


def _planned(doctor: User, now: datetime) -> list[PlannedSlot]:
    policy = settings().policy
    return rules.plan(
        doctor.doctor_info.schedule,
        rules.horizon(now, policy.timezone, policy.horizon_days),
        slot_minutes=policy.slot_minutes,
        zone=policy.timezone,
        after=now,
    )


def _ensure_sound(week: list[Hours]) -> None:
    wrong = rules.faults(week, settings().policy.slot_minutes)
    if wrong:
        raise ValidationFailed(
            [
                FieldError(f"schedule.{index}", message, f"{week[index].start_time}-{week[index].end_time}")
                for index, message in wrong.items()
            ]
        )
