"""Booking: one transaction claims a seat and stores the appointment, its messages and its idempotency key."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.appointments import booking_rules, messages, rules
from arthomed.appointments.keys import IdempotencyKey
from arthomed.appointments.models import Appointment
from arthomed.appointments.parts import Change, PaymentInfo
from arthomed.appointments.queue import Queue
from arthomed.appointments.rules import Source
from arthomed.appointments.service import arrival, audit_trail, idempotency, refusals
from arthomed.appointments.service.attempts import BookingAttempt, BookingDetails
from arthomed.appointments.stages import place_of
from arthomed.audit import service as audit
from arthomed.config import settings
from arthomed.core import clock, metrics, origin
from arthomed.core.actor import Actor
from arthomed.core.batcher import Batcher
from arthomed.core.errors import ClinicError, NotFound, ValidationFailed
from arthomed.files.rules import Category, UploadTarget
from arthomed.files.rules import Kind as FileKind
from arthomed.files.service import uploading
from arthomed.files.service.uploading import Upload
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.scheduling.models import Slot
from arthomed.scheduling.seats import Seat
from arthomed.users import family
from arthomed.users import service as users
from arthomed.users.dependents import Dependent
from arthomed.users.models import User

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Context:
    """The records that the bookings of a transaction depend on, read at its start; seats by the attempts' ids."""

    users: Mapping[ObjectId, User]
    dependents: Mapping[ObjectId, Dependent]
    seats: Mapping[ObjectId, Seat | None]
    open_appointments: Mapping[ObjectId, int]


@dataclass(frozen=True, slots=True)
class _Booked:
    appointment: Appointment
    messages: list[Notification]


def book(
    actor: Actor,
    details: BookingDetails,
    *,
    key: str | None = None,
    uploads: Sequence[Upload] = (),
    category: Category = Category.REPORTS,
) -> Appointment:
    """Book an appointment for the acting user or a member of the family, with the uploads as its files of a category.

    Raises:
        BookingLimitReached: the patient has too many open appointments.
        TooManyFiles, FileTooLarge, InvalidFile: the uploads are refused.
        ClinicError: see `place`.
    """
    attempt = BookingAttempt(actor, actor.signed_in_user_id, details)
    # The default category is left out, so that a key that an older version stored still matches.
    kind = "" if category is Category.REPORTS else str(category)
    parts = [] if key is None else [*(upload.digest for upload in uploads), kind]
    stored_key = idempotency.new_key(actor, key, attempt.id, asdict(details), *parts)
    return place(replace(attempt, key=stored_key), uploads=uploads, category=category)


def place(
    attempt: BookingAttempt, *, uploads: Sequence[Upload] = (), category: Category = Category.REPORTS
) -> Appointment:
    """Book in one transaction; a repeated request with the same idempotency key returns the first appointment.

    Raises:
        NotFound: the patient, the family member or the doctor does not exist, or the doctor cannot be booked.
        SlotUnavailable, SlotTaken: with the nearest free slots of that doctor.
        ValidationFailed: the doctor is the patient, too.
        DuplicateValue: the person has an appointment at that time, or with that doctor on that day.
        IdempotencyKeyReused: the key was used for another booking.
        DuplicateKeyError: another request has stored the new patient meanwhile.
    """
    doctor_id = attempt.details.doctor_id
    if attempt.patient_id == doctor_id:
        whom = "themselves" if attempt.details.dependent_id is None else "themselves, also not for their family"
        raise ValidationFailed.of("doctorId", f"Doctors cannot book an appointment with {whom}.", str(doctor_id))
    people = (attempt.patient_id, attempt.details.dependent_id)
    target = UploadTarget(FileKind.APPOINTMENTS, category, attempt.id, *people)
    try:
        with uploading.stored_files(attempt.actor, uploads, target) as files:
            booked = _batched_booking(replace(attempt, files=files))
    except (NotFound, rules.SlotUnavailable, rules.BookingLimitReached, DuplicateKeyError) as error:
        return _replay_or_refuse(error, attempt)
    notifications.enqueue_or_leave_to_sweeper(notifications.sending_jobs(booked.messages))
    log.info("appointment_booked", appointment_id=str(booked.appointment.id), source=str(attempt.source))
    metrics.BOOKINGS.add()
    return booked.appointment


def _book_in_transaction(attempts: Sequence[BookingAttempt], session: ClientSession) -> list[_Booked | Exception]:
    """Read all records first, then write; a concurrent write to one of them is a conflict, which is retried."""
    now = clock.now()
    context = _read_context(attempts, now, session)
    refusals = [_refusal(attempt, context, now) for attempt in attempts]
    admitted = [attempt for attempt, refusal in zip(attempts, refusals, strict=True) if refusal is None]
    booked = iter(_write(admitted, context, session) if admitted else ())
    return [refusal or next(booked) for refusal in refusals]


_batched_booking = Batcher(_book_in_transaction, keys=lambda attempt: attempt.batch_keys)


def _read_context(attempts: Sequence[BookingAttempt], now: datetime, session: ClientSession) -> _Context:
    """Count open appointments only of patients who booked often enough to reach the limit."""
    ids = [user_id for attempt in attempts for user_id in (attempt.patient_id, attempt.details.doctor_id)]
    found = User.active_by_id(ids, session)
    found |= {attempt.patient_id: attempt.new_patient for attempt in attempts if attempt.new_patient}
    dependents = Dependent.by_id((id_ for one in attempts if (id_ := one.details.dependent_id)), session)
    seats = _find_seats([one for one in attempts if one.patient_id in found], now, session)
    policy = settings().policy
    limit = policy.max_open_appointments
    patients = (found.get(attempt.patient_id) for attempt in attempts if booking_rules.is_limited(attempt.source))
    frequent = [patient.id for patient in patients if patient and patient.bookings_count >= limit]
    day_start = clock.wall_clock(clock.today(policy.timezone), "00:00", policy.timezone)
    counts = Appointment.count_open(frequent, day_start=day_start, session=session) if frequent else {}
    return _Context(found, dependents, seats, counts)


def _find_seats(
    attempts: Sequence[BookingAttempt], now: datetime, session: ClientSession
) -> Mapping[ObjectId, Seat | None]:
    """A seat for each attempt; walk-ins get none of the slots that others of this transaction take."""
    walk_ins = [attempt for attempt in attempts if attempt.source is Source.WALK_IN]
    timed = [attempt for attempt in attempts if attempt.source is not Source.WALK_IN]
    found = Slot.free_seats([one.start for one in timed], now=now, session=session) if timed else {}
    days = Slot.walk_in_seats([one.start for one in walk_ins], now=now, session=session) if walk_ins else {}
    taken = {seat.slot for seat in found.values() if seat is not None}
    seats = {one.id: found[one.start] for one in timed if one.start in found}
    return seats | {
        one.id: next(seat for seat in days[one.start] if seat.slot not in taken)
        for one in walk_ins
        if one.start in days
    }


def _refusal(attempt: BookingAttempt, context: _Context, now: datetime) -> ClinicError | None:
    try:
        _ensure_bookable(attempt, context, now)
    except ClinicError as refusal:
        return refusal
    return None


def _ensure_bookable(attempt: BookingAttempt, context: _Context, now: datetime) -> None:
    details, policy = attempt.details, settings().policy
    if attempt.patient_id not in context.users:
        raise NotFound("Patient not found")
    if details.dependent_id is not None:
        family.ensure_active_member(context.dependents.get(details.dependent_id), attempt.patient_id)
    if context.open_appointments.get(attempt.patient_id, 0) >= policy.max_open_appointments:
        raise rules.BookingLimitReached
    doctor = context.users.get(details.doctor_id)
    if doctor is None or not doctor.is_bookable:
        raise NotFound("Doctor not found")
    booking_rules.ensure_bookable_day((details.appointment_date - clock.local_date(now, policy.timezone)).days, policy)
    if attempt.id not in context.seats:
        raise rules.SlotUnavailable
    seat = context.seats[attempt.id]
    if seat is None:
        raise rules.SlotTaken
    booking_rules.ensure_can_start(seat.ends_at, now)


def _write(attempts: Sequence[BookingAttempt], context: _Context, session: ClientSession) -> list[_Booked]:
    """Write all records; the write to the patients makes two bookings of one patient conflict, so the limit holds."""
    IdempotencyKey.insert_all([attempt.key for attempt in attempts if attempt.key is not None], session)
    User.insert_all([attempt.new_patient for attempt in attempts if attempt.new_patient is not None], session)
    User.count_bookings([attempt.patient_id for attempt in attempts], session)
    seats = [seat for attempt in attempts if (seat := context.seats[attempt.id])]
    claims = list(zip(seats, attempts, strict=True))
    for doctor in sorted({one.details.doctor_id for one in attempts if one.source is Source.WALK_IN}):
        User.lock_doctor(doctor, session)  # an overflow place writes no slot that a deactivation would conflict with
    Slot.claim([(seat, attempt.id) for seat, attempt in claims if not seat.is_overflow], session=session)
    queues = _queues(claims, session)
    appointments = [_appointment(attempt, seat, queues.get(attempt.id), context) for seat, attempt in claims]
    Appointment.insert_new(appointments, session)
    with_devices = notifications.users_with_devices([attempt.patient_id for attempt in attempts])
    events, booked = [], []
    for attempt, appointment in zip(attempts, appointments, strict=True):
        has_device = attempt.patient_id in with_devices
        new = messages.for_status(appointment, appointment.patient, has_device=has_device)
        with origin.override(attempt.origin):
            uploading.attach(attempt.actor, attempt.files, session)
            if attempt.new_patient is not None:
                events.append(users.creation_event(attempt.new_patient, attempt.actor))
            events.append(audit_trail.booking_event(attempt.actor, appointment))
        booked.append(_Booked(appointment, new))
    audit.insert_events(events, session)
    notifications.add_to_outbox([message for one in booked for message in one.messages], session)
    return booked


def _queues(claims: Sequence[tuple[Seat, BookingAttempt]], session: ClientSession) -> dict[ObjectId, Queue]:
    """The places in the queue of those who walked in, by their attempts' ids."""
    days: dict[tuple[ObjectId, datetime], list[ObjectId]] = {}
    for seat, attempt in claims:
        if attempt.source is Source.WALK_IN:
            days.setdefault((seat.doctor, seat.date), []).append(attempt.id)
    return {
        attempt_id: queue
        for (doctor, day), ids in days.items()
        for attempt_id, queue in zip(
            ids, arrival.arrive(doctor, day, clock.now(), session, count=len(ids)), strict=True
        )
    }


def _appointment(attempt: BookingAttempt, seat: Seat, queue: Queue | None, context: _Context) -> Appointment:
    """The appointment; the token of one who walked in also numbers an overflow place."""
    details, now, by = attempt.details, clock.now(), attempt.actor.user_id
    status = booking_rules.status_when_booked(attempt.source)
    appointment = Appointment(
        id=attempt.id,
        patient_id=attempt.patient_id,
        dependent_id=details.dependent_id,
        doctor_id=details.doctor_id,
        slot=seat.slot,
        seat=rules.OVERFLOW_SEAT + queue.token if queue and seat.is_overflow else seat.number,
        appointment_date=seat.date,
        appointment_time=seat.start_time,
        starts_at=seat.starts_at,
        ends_at=seat.ends_at,
        status=status,
        source=attempt.source,
        queue=queue,
        purpose_of_visit=details.purpose_of_visit,
        reason=details.reason,
        symptoms=details.symptoms,
        payment=PaymentInfo(amount=seat.fee),
        history=[Change(target=status, by=by, at=now)],
        created_by=by,
        created_at=now,
        updated_at=now,
    )
    appointment.patient, appointment.doctor = context.users[attempt.patient_id], context.users[details.doctor_id]
    appointment.dependent = context.dependents.get(details.dependent_id) if details.dependent_id else None
    appointment.images, appointment.in_queue = list(attempt.files), place_of(appointment)
    return appointment


def _replay_or_refuse(error: ClinicError | DuplicateKeyError, attempt: BookingAttempt) -> Appointment:
    """Return the appointment that was booked with the same key; if there is none, raise the reason of the refusal."""
    replayed = idempotency.find_replayed(attempt.actor, attempt.key)
    if replayed is not None:
        return replayed
    is_own = attempt.actor.user_id == attempt.patient_id and attempt.details.dependent_id is None
    raise refusals.of_time(error, attempt.start, is_own=is_own)
