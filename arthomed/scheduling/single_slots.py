"""Use cases of single slots: block, unblock, add one besides the weekly hours, explain why a time cannot be booked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from bson import ObjectId
from pymongo.client_session import ClientSession

from arthomed.audit import service as audit
from arthomed.audit.models import Action, Kind
from arthomed.config import settings
from arthomed.core import cache, clock
from arthomed.core.actor import Actor
from arthomed.core.documents import transaction
from arthomed.core.errors import NotFound, ValidationFailed
from arthomed.core.permissions import Role
from arthomed.scheduling import bookability, rules, service
from arthomed.scheduling.bookability import BlockReason, Obstacle
from arthomed.scheduling.models import Slot
from arthomed.scheduling.rules import PlannedSlot
from arthomed.scheduling.tags import day_tag
from arthomed.users.models import User


@dataclass(frozen=True, slots=True)
class NewSlot:
    """A slot besides the weekly hours, in the clinic's time zone; the default of its end is the usual length."""

    doctor_id: ObjectId
    date: date
    start_time: str
    end_time: str | None
    max_patients: int


@dataclass(frozen=True, slots=True)
class Reason:
    """`is_of_day`: the doctor has no open slot on the whole day."""

    code: Obstacle
    detail: str
    is_of_day: bool = False


def set_blocked(actor: Actor, slot_id: ObjectId, *, is_blocked: bool, reason: BlockReason | None) -> Slot:
    """Block a slot, or unblock it; its bookings stay.

    An unblocked slot follows the weekly hours again: outside of them a free one is removed, and a booked one takes no
    further patients.

    Raises:
        NotFound: there is no such slot, or it is another doctor's.
        ValidationFailed: the slot is over.
    """
    found: Slot = Slot.managed_by(actor).require(slot_id)

    def work(session: ClientSession) -> Slot:
        doctor = User.lock_doctor(found.doctor, session)
        before: Slot | None = Slot.find_one({"_id": slot_id}, session)
        if before is None:
            raise NotFound
        if before.ends_at <= clock.now():
            raise ValidationFailed.of("isBlocked", "The slot is over.", is_blocked)
        closed = is_blocked or not doctor.is_bookable  # the slots of a doctor who is inactive are blocked anyway
        after = Slot.set_blocked(slot_id, is_blocked=closed, reason=reason, session=session)
        if not is_blocked:
            service.sync_in_transaction(doctor, session)
            after = Slot.find_one({"_id": slot_id}, session) or _removed(after)
        _record(actor, Action.CHANGE, after, session, before)
        return after

    return transaction(work)


def _removed(slot: Slot) -> Slot:
    """A slot that was outside the weekly hours, and that nobody can book any more."""
    slot.is_available = False
    return slot


def add(actor: Actor, new: NewSlot) -> Slot:
    """Add a slot that stays when the weekly hours change.

    Raises:
        NotFound: the doctor cannot be booked, or is another one than the acting doctor.
        ValidationFailed: it overlaps with another slot, or is in the past or beyond the horizon.
    """
    _ensure_own(actor, new.doctor_id)
    planned = _plan(new)

    def work(session: ClientSession) -> Slot:
        doctor = User.lock_doctor(new.doctor_id, session)
        if not doctor.is_bookable:
            raise NotFound("Doctor not found")
        _ensure_free(doctor.id, planned, session)
        cache.invalidate(day_tag(doctor.id, planned.date))
        slot = Slot(
            doctor=doctor.id,
            date=clock.midnight_utc(planned.date),
            start_time=planned.start_time,
            end_time=planned.end_time,
            starts_at=planned.starts_at,
            max_patients=planned.max_patients,
            consultation_fee=doctor.doctor_info.consultation_fee,
            is_extra=True,
        )
        slot.insert(session)
        _record(actor, Action.CREATE, slot, session)
        return slot

    return transaction(work)


def _plan(new: NewSlot) -> PlannedSlot:
    policy, now = settings().policy, clock.now()
    end = new.end_time or rules.end_of(new.start_time, policy.slot_minutes)
    if end is None or end <= new.start_time:
        raise ValidationFailed.of("endTime", "Must be after the start, until 24:00.", new.end_time)
    days_ahead = (new.date - clock.local_date(now, policy.timezone)).days
    obstacle = bookability.day_obstacle(days_ahead, policy.horizon_days)
    if obstacle is not None:
        raise ValidationFailed.of("date", _detail(obstacle, None), str(new.date))
    planned = rules.plan_extra(new.date, new.start_time, end, max_patients=new.max_patients, zone=policy.timezone)
    if planned is None:
        raise ValidationFailed.of("startTime", "The clocks change at that time.", new.start_time)
    if planned.starts_at <= now:
        raise ValidationFailed.of("startTime", _detail(Obstacle.PAST, None), new.start_time)
    return planned


def _ensure_free(doctor: ObjectId, planned: PlannedSlot, session: ClientSession) -> None:
    for other in Slot.find_all({"doctor": doctor, "date": clock.midnight_utc(planned.date)}, session):
        if rules.times_overlap(planned.start_time, planned.end_time, other.start_time, other.end_time):
            message = f"Overlaps with the slot from {other.start_time} to {other.end_time}."
            raise ValidationFailed.of("startTime", message, planned.start_time)


def explain(actor: Actor, doctor_id: ObjectId, day: date, time: str) -> list[Reason]:
    """Why a time cannot be booked, by the rules of bookings; nothing says who has booked it.

    Raises:
        NotFound: there is no such doctor, or it is another one than the acting doctor.
    """
    _ensure_own(actor, doctor_id)
    doctor: User = User.objects(role=Role.DOCTOR).require(doctor_id)
    policy, now = settings().policy, clock.now()
    slot: Slot | None = Slot.objects(doctor=doctor_id, date=clock.midnight_utc(day), start_time=time).first()
    obstacles = bookability.obstacles(
        is_doctor_bookable=doctor.is_bookable,
        days_ahead=(day - clock.local_date(now, policy.timezone)).days,
        horizon_days=policy.horizon_days,
        slot=slot and slot.state,
        now=now,
    )
    is_closed = Slot.objects(doctor=doctor_id, date=clock.midnight_utc(day), is_blocked=False).first() is None
    return [Reason(one, _detail(one, slot), is_closed and one in _OF_DAY) for one in obstacles]


_OF_DAY = frozenset({Obstacle.OUTSIDE_HOURS, Obstacle.BLOCKED})
_DETAILS: Mapping[Obstacle, str] = {
    Obstacle.DOCTOR_INACTIVE: "The doctor's account is not active or not verified.",
    Obstacle.PAST: "This time has passed.",
    Obstacle.OUTSIDE_HOURS: "No slot of the doctor begins at this time.",
    Obstacle.BLOCKED: "A change of the weekly hours or of the doctor's account closed the slot.",
}


def _detail(obstacle: Obstacle, slot: Slot | None) -> str:
    if obstacle is Obstacle.BEYOND_HORIZON:
        return f"Only the next {settings().policy.horizon_days} days can be booked."
    if slot is not None and obstacle is Obstacle.FULL:
        return f"All seats of the slot are taken ({slot.max_patients})."
    if slot is not None and obstacle is Obstacle.BLOCKED and slot.block_reason:
        return f"The slot is blocked ({slot.block_reason})."
    return _DETAILS[obstacle]


def _ensure_own(actor: Actor, doctor_id: ObjectId) -> None:
    if actor.role is Role.DOCTOR and actor.user_id != doctor_id:
        raise NotFound


def _record(actor: Actor, action: Action, slot: Slot, session: ClientSession, before: Slot | None = None) -> None:
    changes = audit.differences(before.to_mongo(), slot.to_mongo()) if before else []
    audit.record_change(actor, action, Kind.SLOT, slot.id, subject=slot.doctor, session=session, changes=changes)
