"""Reschedule: one transaction claims the new seat, moves the appointment, and frees the old seat."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.appointments import booking_rules, messages, rescheduling, rules
from arthomed.appointments.keys import IdempotencyKey
from arthomed.appointments.models import Appointment
from arthomed.appointments.parts import Change, DoctorAndTime
from arthomed.appointments.service import audit_trail, idempotency, refusals, seats
from arthomed.config import settings
from arthomed.core import clock, origin
from arthomed.core.actor import Actor
from arthomed.core.batcher import Batcher
from arthomed.core.errors import ClinicError, NotFound, ValidationFailed
from arthomed.core.origin import Origin
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.scheduling.models import Slot
from arthomed.scheduling.seats import Seat, Start
from arthomed.users.models import User

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NewTime:
    """Where an appointment moves to, in the clinic's time zone; without a doctor it stays with its own."""

    appointment_date: date
    appointment_time: str
    doctor_id: ObjectId | None = None

    def start(self, present_doctor: ObjectId) -> Start:
        return self.doctor_id or present_doctor, self.appointment_date, self.appointment_time


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A request on its way into a transaction, with the appointment as it was found."""

    actor: Actor
    found: Appointment
    new_time: NewTime
    key: IdempotencyKey | None
    origin: Origin = field(default_factory=origin.current)

    @property
    def start(self) -> Start:
        return self.new_time.start(self.found.doctor_id)

    @property
    def batch_keys(self) -> Collection[object]:
        """Moves of one patient, into one slot or out of one slot would conflict."""
        return self.found.patient_id, self.start, self.found.start


@dataclass(frozen=True, slots=True)
class _Moved:
    appointment: Appointment
    messages: list[Notification]


def find_movable(actor: Actor, appointment_id: ObjectId) -> Appointment:
    """An appointment with its people, for which another time is to be chosen.

    Raises:
        NotFound, InvalidTransition, PermissionDenied, TooLate: see `reschedule`.
    """
    found: Appointment = Appointment.visible_to(actor).require(appointment_id)
    _ensure_movable(actor, found, clock.now())
    audit_trail.record_read(actor, [found])
    return Appointment.with_people([found])[0]


def is_movable(actor: Actor, appointment: Appointment, now: datetime) -> bool:
    """Whether the actor may move an appointment now."""
    try:
        _ensure_movable(actor, appointment, now)
    except ClinicError:
        return False
    return True


def _ensure_movable(actor: Actor, appointment: Appointment, now: datetime) -> None:
    rescheduling.ensure_may_reschedule(appointment, actor)
    _ensure_in_time(appointment, actor, now)


def reschedule(actor: Actor, appointment_id: ObjectId, new_time: NewTime, *, key: str | None = None) -> Appointment:
    """Move an appointment to another slot; it keeps its id, status and payments.

    A move to its present time changes nothing. A repeated request with the same idempotency key returns the
    appointment as it is now.

    Raises:
        NotFound: the user may not see the appointment, or the doctor cannot be booked.
        InvalidTransition, PermissionDenied, TooLate: see `rescheduling`.
        SlotUnavailable, SlotTaken: with the nearest free slots of that doctor.
        ValidationFailed: the doctor is the patient, or has another specialization.
        DuplicateValue: the patient has an appointment at that time, or with that doctor on that day.
        IdempotencyKeyReused: the key was used for another request.
    """
    found: Appointment = Appointment.visible_to(actor).require(appointment_id)
    request = {"appointment": appointment_id, **asdict(new_time)}
    attempt = _Attempt(actor, found, new_time, idempotency.new_key(actor, key, appointment_id, request))
    replayed = idempotency.find_replayed(actor, attempt.key)
    if replayed is not None:
        return replayed
    try:
        moved = _batched_move(attempt)
    except (ClinicError, DuplicateKeyError) as error:
        return _replay_or_refuse(error, attempt)
    notifications.enqueue_or_leave_to_sweeper(notifications.sending_jobs(moved.messages))
    if moved.messages:
        log.info("appointment_rescheduled", appointment_id=str(appointment_id))
    return Appointment.with_people([moved.appointment])[0]


def _move_in_transaction(attempts: Sequence[_Attempt], session: ClientSession) -> list[_Moved | Exception]:
    return [_move(attempt, session) for attempt in attempts]


_batched_move = Batcher(_move_in_transaction, keys=lambda attempt: attempt.batch_keys)


def _move(attempt: _Attempt, session: ClientSession) -> _Moved | ClinicError:
    """Read and decide before the first write: a refusal leaves the other moves of the transaction alone."""
    now = clock.now()
    appointment: Appointment = Appointment.find_one({"_id": attempt.found.id}, session)
    start = attempt.new_time.start(appointment.doctor_id)
    try:
        rescheduling.ensure_may_reschedule(appointment, attempt.actor)
        if start == appointment.start:
            return _store_key_only(attempt, appointment, session)
        _ensure_in_time(appointment, attempt.actor, now)
        people = User.by_id([start[0], appointment.doctor_id, appointment.patient_id], session)
        seat = _find_seat(appointment, start, people, now, session)
    except ClinicError as refusal:
        return refusal
    return _write(attempt, appointment, seat, people[appointment.patient_id], session)


def _ensure_in_time(appointment: Appointment, actor: Actor, now: datetime) -> None:
    rescheduling.ensure_in_time(appointment, actor, now, settings().policy)
    if appointment.queue is not None:  # the arrival was undone; its token belongs to this doctor and day
        raise rules.InvalidTransition("The patient has a token of this day; cancel this one and book another")


def _store_key_only(attempt: _Attempt, appointment: Appointment, session: ClientSession) -> _Moved:
    """A move to the present time; repeated later, it does not undo somebody else's move."""
    if attempt.key is not None:
        attempt.key.insert(session)
    return _Moved(appointment, [])


def _find_seat(
    appointment: Appointment, start: Start, people: Mapping[ObjectId, User], now: datetime, session: ClientSession
) -> Seat:
    doctor_id, day, _ = start
    if doctor_id == appointment.patient_id:
        raise ValidationFailed.of("doctorId", "Doctors cannot have an appointment with themselves.", str(doctor_id))
    doctor = people.get(doctor_id)
    if doctor is None or not doctor.is_bookable:
        raise NotFound("Doctor not found")
    if doctor_id != appointment.doctor_id:
        present = people[appointment.doctor_id].doctor_info
        rescheduling.ensure_same_specialization(
            present and present.specialization, doctor.doctor_info.specialization, doctor_id
        )
    policy = settings().policy
    booking_rules.ensure_bookable_day((day - clock.local_date(now, policy.timezone)).days, policy)
    free = Slot.free_seats([start], now=now, session=session)
    if start not in free:
        raise rules.SlotUnavailable
    seat = free[start]
    if seat is None:
        raise rules.SlotTaken
    return seat


def _write(attempt: _Attempt, appointment: Appointment, seat: Seat, patient: User, session: ClientSession) -> _Moved:
    """Claim the new seat before the old one is free; whatever else changed the appointment is a write conflict."""
    if attempt.key is not None:
        attempt.key.insert(session)
    Slot.claim([(seat, appointment.id)], session=session)
    change = Change(
        source=appointment.status,
        target=appointment.status,
        by=attempt.actor.user_id,
        at=clock.now(),
        moved_from=DoctorAndTime(doctor=appointment.doctor_id, starts_at=appointment.starts_at),
        moved_to=DoctorAndTime(doctor=seat.doctor, starts_at=seat.starts_at),
    )
    moved = appointment.move_to(seat, change, session=session)
    if moved is None:
        raise rules.InvalidTransition(rules.CHANGED)
    seats.free(appointment.slot, appointment.seat, session)
    with origin.override(attempt.origin):
        audit_trail.record_change(attempt.actor, appointment, moved, session)
    has_device = bool(notifications.users_with_devices([moved.patient_id]))
    new_messages = messages.for_new_time(moved, patient, has_device=has_device)
    notifications.add_to_outbox(new_messages, session)
    return _Moved(moved, new_messages)


def _replay_or_refuse(error: ClinicError | DuplicateKeyError, attempt: _Attempt) -> Appointment:
    """Return the appointment that a request with the same key moved; if there is none, raise the refusal."""
    replayed = idempotency.find_replayed(attempt.actor, attempt.key)
    if replayed is not None:
        return replayed
    is_own = attempt.actor.user_id == attempt.found.patient_id and attempt.found.dependent_id is None
    raise refusals.of_time(error, attempt.start, is_own=is_own)
