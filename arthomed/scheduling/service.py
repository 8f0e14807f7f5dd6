"""Use cases of weekly hours and slots: list, save, synchronize, generate."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.config import settings
from arthomed.core import cache, clock, jobs, metrics
from arthomed.core.actor import Actor
from arthomed.core.documents import Raw, is_database_unavailable, transaction
from arthomed.core.errors import FieldError, NotFound, ServiceUnavailable, ValidationFailed
from arthomed.core.paging import Page, PageRequest
from arthomed.core.permissions import Role
from arthomed.scheduling import rules
from arthomed.scheduling.models import Slot
from arthomed.scheduling.rules import ExistingSlot, PlannedSlot, SlotChanges, SlotGroups
from arthomed.scheduling.seats import PublicSlot
from arthomed.scheduling.tags import day_tag, schedule_tag
from arthomed.users import service as users
from arthomed.users.models import DOCTORS_TAG, Hours, User

log = structlog.get_logger()

MAX_AVAILABILITY_DAYS = 42  # one page of a calendar
_DOCTORS_PER_JOB = 20  # about a second of work when all of their slots are new
_GENERATION_THREADS = 2  # one plans the slots of a batch while MongoDB writes those of another


@dataclass(frozen=True, slots=True)
class DaySlots:
    doctor: User
    date: date
    available_slots: list[PublicSlot]
    booked_slots: list[PublicSlot]


@dataclass(frozen=True, slots=True)
class SavedSchedule:
    """`conflicts` are booked slots outside the new hours."""

    doctor: User
    conflicts: list[ExistingSlot]


class SlotsNotSynced(Exception):
    """Some doctors' slots could not be brought in line; the log event `slots_not_synced` names each of them."""

    def __init__(self, failed: int, doctors: int) -> None:
        super().__init__(f"The slots of {failed} of {doctors} doctors could not be brought in line")


@dataclass(frozen=True, slots=True)
class _SyncResult:
    doctors: int
    created: int
    failed: int


def list_doctors(page_request: PageRequest, *, on: date | None = None, **filters: Any) -> Page[User]:
    """Doctors who can be booked; `on` selects those with a free slot on that day."""
    ids = None if on is None else Slot.doctors_free_on(on, now=clock.now())
    return users.list_doctors(page_request, ids=ids, **filters)


def slots_of_day(doctor_id: ObjectId, day: date) -> DaySlots:
    """The free and the booked slots of a doctor's day; a past day has none."""
    cache.depends_on(DOCTORS_TAG, schedule_tag(doctor_id), day_tag(doctor_id, day))
    doctor, now, zone = users.get_bookable_doctor(doctor_id), clock.now(), settings().policy.timezone
    slots = Slot.of_day(doctor_id, day) if day >= clock.today(zone) else []
    free = [slot for slot in slots if slot.is_available and slot.starts_at > now]
    cache.valid_until(min([clock.wall_clock(day + timedelta(days=1), "00:00", zone), *(one.starts_at for one in free)]))
    return DaySlots(doctor, day, free, [slot for slot in slots if slot.booked_patients and not slot.is_available])


def availability(doctor_id: ObjectId, first: date, last: date) -> list[dict[str, Any]]:
    """Count the free and all slots of each day, from the first to the last."""
    if not 0 <= (last - first).days < MAX_AVAILABILITY_DAYS:
        raise ValidationFailed.of("to", f"Must be from 0 to {MAX_AVAILABILITY_DAYS - 1} days after `from`", str(last))
    users.get_bookable_doctor(doctor_id)
    counts = {row["_id"].date(): row for row in Slot.counts_by_day(doctor_id, first, last, now=clock.now())}
    return [
        {"date": day, "free": counts.get(day, {}).get("free", 0), "total": counts.get(day, {}).get("total", 0)}
        for day in clock.days(first, (last - first).days + 1)
    ]


def save_schedule(actor: Actor, doctor_id: ObjectId, week: list[dict[str, Any]]) -> SavedSchedule:
    """Replace a doctor's weekly hours, and bring the free slots of the horizon in line in the same transaction.

    Raises:
        NotFound: the doctor does not exist, or the actor is another doctor.
        ValidationFailed: a range overlaps another, or is not a multiple of the slot length.
    """
    if actor.role is Role.DOCTOR and actor.user_id != doctor_id:
        raise NotFound
    hours = [Hours(**one) for one in week]
    _ensure_valid(hours)

    def work(session: ClientSession) -> tuple[User, SlotChanges | None]:
        before = users.get(doctor_id, session)
        doctor = User.lock_doctor(doctor_id, session, schedule=[one.to_mongo() for one in hours])
        cache.invalidate(DOCTORS_TAG)
        audit.record_change(
            actor,
            Action.CHANGE,
            Kind.SCHEDULE,
            doctor_id,
            subject=doctor_id,
            session=session,
            changes=audit.differences(before.doctor_info.to_mongo(), doctor.doctor_info.to_mongo(), "doctorInfo."),
        )
        return doctor, sync_in_transaction(doctor, session)

    doctor, slot_changes = transaction(work)
    _count_created(slot_changes)
    return SavedSchedule(doctor, slot_changes.conflicts if slot_changes else [])


def sync_doctor(doctor_id: ObjectId) -> SlotChanges | None:
    """Bring one doctor's slots in line with the weekly hours; None if the doctor is not bookable.

    Idempotent. Concurrent runs for one doctor are serialized, because each transaction writes to the doctor.

    Raises:
        NotFound: the user does not exist, or is no doctor.
    """
    slot_changes = transaction(lambda session: sync_in_transaction(User.lock_doctor(doctor_id, session), session))
    _count_created(slot_changes)
    return slot_changes


def sync_doctors(doctor_ids: Sequence[ObjectId]) -> int:
    """Bring the slots of several doctors in line with their weekly hours; return the number of new slots.

    A doctor that fails does not stop the others, except when the database is unavailable: then a retry is due.

    Raises:
        SlotsNotSynced: some doctors failed.
    """
    result = _sync_batch(doctor_ids)
    if result.failed:
        raise SlotsNotSynced(result.failed, result.doctors)
    return result.created


def generate() -> int:
    """Bring the slots of all doctors in line in this process; return the number of new slots.

    Raises:
        SlotsNotSynced: some doctors failed.
    """
    with ThreadPoolExecutor(_GENERATION_THREADS) as pool:
        results = list(pool.map(_sync_batch, _batches_of_doctors()))
    created, failed = sum(one.created for one in results), sum(one.failed for one in results)
    log.info("slots_generated", created=created, failed=failed)
    if failed:
        raise SlotsNotSynced(failed, sum(one.doctors for one in results))
    return created


def enqueue_generation() -> None:
    """Enqueue one job for each batch of doctors: the workers share them, and a killed job loses little work."""
    for doctor_ids in _batches_of_doctors():
        jobs.enqueue(jobs.Job.SYNC_SLOTS, *map(str, doctor_ids))


def _batches_of_doctors() -> Iterator[list[ObjectId]]:
    ids = list(User.bookable_doctors().scalar("id"))
    return (ids[start : start + _DOCTORS_PER_JOB] for start in range(0, len(ids), _DOCTORS_PER_JOB))


def _sync_batch(doctor_ids: Sequence[ObjectId]) -> _SyncResult:
    """Sync each doctor whose stored slots differ from the plan."""
    now, created, failed = clock.now(), 0, 0
    stored = Slot.group_upcoming(doctor_ids, after=now)
    for record in User.bookable_records(doctor_ids):
        try:
            created += _sync_if_needed(record, stored.get(record["_id"], {}), now)
        except NotFound:
            log.info("slots_skipped", doctor_id=str(record["_id"]))  # the user stopped being a doctor meanwhile
        except Exception as error:
            if is_database_unavailable(error) or isinstance(error, ServiceUnavailable):
                raise
            failed += 1
            doctor_id, kind = str(record["_id"]), type(error).__name__
            log.error("slots_not_synced", doctor_id=doctor_id, error=kind)  # noqa: TRY400  a traceback repeats the record
    return _SyncResult(len(doctor_ids), created, failed)


def _sync_if_needed(record: Raw, stored: SlotGroups, now: datetime) -> int:
    doctor: User = User.from_raw(record)
    planned = rules.group(_plan_slots(doctor, now), fee=doctor.doctor_info.consultation_fee)
    slot_changes = None if stored == planned else sync_doctor(doctor.id)
    return len(slot_changes.created) if slot_changes else 0


def sync_in_transaction(doctor: User, session: ClientSession) -> SlotChanges | None:
    """Bring a doctor's slots in line; None, and no change, if the doctor is not bookable."""
    if not doctor.is_bookable:
        return None
    now, fee = clock.now(), doctor.doctor_info.consultation_fee
    existing = Slot.existing(doctor.id, after=now, session=session)
    slot_changes = rules.diff(_plan_slots(doctor, now), existing, fee=fee, after=now)
    if slot_changes.is_needed:
        Slot.apply(slot_changes, doctor.id, fee=fee, session=session)
    return slot_changes


def _count_created(slot_changes: SlotChanges | None) -> None:
    """Count the new slots; only after the commit."""
    metrics.SLOTS.add(by=len(slot_changes.created) if slot_changes else 0)


def _plan_slots(doctor: User, now: datetime) -> list[PlannedSlot]:
    policy = settings().policy
    return rules.plan(
        doctor.doctor_info.schedule,
        rules.horizon(now, policy.timezone, policy.horizon_days),
        slot_minutes=policy.slot_minutes,
        zone=policy.timezone,
        after=now,
    )


def _ensure_valid(week: list[Hours]) -> None:
    errors = rules.validation_errors(week, settings().policy.slot_minutes)
    if errors:
        raise ValidationFailed(
            [
                FieldError(f"schedule.{index}", message, f"{week[index].start_time}-{week[index].end_time}")
                for index, message in errors.items()
            ]
        )
