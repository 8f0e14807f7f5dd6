"""Booking: one transaction claims a seat and stores the appointment, its messages and its idempotency key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.appointments import messages, rules
from arthomed.appointments.models import Appointment, Change, IdempotencyKey, PaymentInfo
from arthomed.appointments.rules import Status
from arthomed.appointments.service import audit_trail
from arthomed.audit import service as audit
from arthomed.config import settings
from arthomed.core import clock, metrics, origin
from arthomed.core.actor import Actor
from arthomed.core.batcher import Batcher
from arthomed.core.errors import ClinicError, DuplicateValue, IdempotencyKeyReused, NotFound, ValidationFailed
from arthomed.core.origin import Origin
from arthomed.files.models import File
from arthomed.files.rules import Category, UploadTarget
from arthomed.files.rules import Kind as FileKind
from arthomed.files.service import uploading
from arthomed.files.service.uploading import Upload
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.scheduling.models import Slot
from arthomed.scheduling.seats import Seat, Start
from arthomed.users.models import User

log = structlog.get_logger()

ALTERNATIVES = 3
_SAME_TIME = "You already have an appointment at that time"
_SAME_DAY = "You already have an appointment with this doctor on that day"


@dataclass(frozen=True, slots=True)
class BookingDetails:
    """The requested booking; date and time are in the clinic's time zone."""

    doctor_id: ObjectId
    appointment_date: date
    appointment_time: str
    purpose_of_visit: str
    reason: str
    symptoms: str | None = None


@dataclass(frozen=True, slots=True)
class BookingAttempt:
    """A booking on its way into a transaction: `id` becomes the appointment's id."""

    actor: Actor
    details: BookingDetails
    id: ObjectId = field(default_factory=ObjectId)
    key: IdempotencyKey | None = None
    files: Sequence[File] = ()
    origin: Origin = field(default_factory=origin.current)

    @property
    def patient_id(self) -> ObjectId:
        return self.actor.signed_in_user_id

    @property
    def start(self) -> Start:
        return self.details.doctor_id, self.details.appointment_date, self.details.appointment_time


@dataclass(frozen=True, slots=True)
class _Context:
    """The records that the bookings of a transaction depend on, read at its start."""

    users: Mapping[ObjectId, User]
    seats: Mapping[Start, Seat | None]
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
    """Book an appointment for the acting user as its patient, with the uploads as its files of a category.

    A repeated request with the same idempotency key returns the appointment of the first one.

    Raises:
        NotFound: the doctor does not exist or cannot be booked.
        SlotUnavailable, SlotTaken: with the nearest free slots of that doctor.
        ValidationFailed: the doctor is the patient, too.
        DuplicateValue: the patient has an appointment at that time, or with that doctor on that day.
        BookingLimitReached: the patient has too many open appointments.
        IdempotencyKeyReused: the key was used for another booking.
        TooManyFiles, FileTooLarge, InvalidFile: the uploads are refused.
    """
    if actor.user_id == details.doctor_id:
        raise ValidationFailed.of("doctorId", "You cannot book an appointment with yourself.", str(details.doctor_id))
    attempt = BookingAttempt(actor, details)
    if key is not None:
        fingerprint = _fingerprint(details, uploads, category)
        stored_key = IdempotencyKey(user=actor.user_id, key=key, fingerprint=fingerprint, appointment=attempt.id)
        attempt = replace(attempt, key=stored_key)
    target = UploadTarget(FileKind.APPOINTMENTS, category, attempt.id, actor.signed_in_user_id)
    try:
        with uploading.stored_files(actor, uploads, target) as files:
            booked = _batched_booking(replace(attempt, files=files))
    except (NotFound, rules.SlotUnavailable, rules.BookingLimitReached, DuplicateKeyError) as error:
        return _replay_or_refuse(error, attempt)
    notifications.enqueue_or_leave_to_sweeper(notifications.sending_jobs(booked.messages))
    log.info("appointment_booked", appointment_id=str(booked.appointment.id))
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


_batched_booking = Batcher(_book_in_transaction, keys=lambda attempt: (attempt.patient_id, attempt.start))


def _read_context(attempts: Sequence[BookingAttempt], now: datetime, session: ClientSession) -> _Context:
    """Count open appointments only of patients who booked often enough to reach the limit."""
    ids = [user_id for attempt in attempts for user_id in (attempt.patient_id, attempt.details.doctor_id)]
    users = User.active_by_id(ids, session)
    seats = Slot.free_seats([attempt.start for attempt in attempts], now=now, session=session)
    policy = settings().policy
    limit = policy.max_open_appointments
    patients = (users.get(attempt.patient_id) for attempt in attempts)
    frequent = [patient.id for patient in patients if patient and patient.bookings_count >= limit]
    day_start = clock.wall_clock(clock.today(policy.timezone), "00:00", policy.timezone)
    counts = Appointment.count_open(frequent, day_start=day_start, session=session) if frequent else {}
    return _Context(users, seats, counts)


def _refusal(attempt: BookingAttempt, context: _Context, now: datetime) -> ClinicError | None:
    try:
        _ensure_bookable(attempt, context, now)
    except ClinicError as refusal:
        return refusal
    return None


def _ensure_bookable(attempt: BookingAttempt, context: _Context, now: datetime) -> None:
    details, policy = attempt.details, settings().policy
    if attempt.patient_id not in context.users:
        raise NotFound
    if context.open_appointments.get(attempt.patient_id, 0) >= policy.max_open_appointments:
        raise rules.BookingLimitReached
    doctor = context.users.get(details.doctor_id)
    if doctor is None or not doctor.is_bookable:
        raise NotFound("Doctor not found")
    rules.ensure_bookable_day((details.appointment_date - clock.local_date(now, policy.timezone)).days, policy)
    if attempt.start not in context.seats:
        raise rules.SlotUnavailable
    if context.seats[attempt.start] is None:
        raise rules.SlotTaken


def _write(attempts: Sequence[BookingAttempt], context: _Context, session: ClientSession) -> list[_Booked]:
    """Write all records; the write to the patients makes two bookings of one patient conflict, so the limit holds."""
    IdempotencyKey.insert_all([attempt.key for attempt in attempts if attempt.key is not None], session)
    User.count_bookings([attempt.patient_id for attempt in attempts], session)
    seats = [seat for attempt in attempts if (seat := context.seats[attempt.start])]
    claims = list(zip(seats, attempts, strict=True))
    Slot.claim([(seat, attempt.id) for seat, attempt in claims], session=session)
    appointments = [_appointment(attempt, seat, context) for seat, attempt in claims]
    Appointment.insert_new(appointments, session)
    with_devices = notifications.users_with_devices([attempt.patient_id for attempt in attempts])
    events, booked = [], []
    for attempt, appointment in zip(attempts, appointments, strict=True):
        has_device = attempt.patient_id in with_devices
        new = messages.for_status(appointment, appointment.patient, has_device=has_device)
        with origin.override(attempt.origin):
            uploading.attach(attempt.actor, attempt.files, session)
            events.append(audit_trail.booking_event(attempt.actor, attempt.id))
        booked.append(_Booked(appointment, new))
    audit.insert_events(events, session)
    notifications.add_to_outbox([message for one in booked for message in one.messages], session)
    return booked


def _fingerprint(details: BookingDetails, uploads: Sequence[Upload], category: Category) -> str:
    """A digest of the details and files; the order of the fields in the request does not matter.

    The default category is left out, so that a key that an older version stored still matches.
    """
    text = json.dumps(asdict(details), default=str, sort_keys=True)
    kind = "" if category is Category.REPORTS else category
    return sha256("".join([text, *(upload.digest for upload in uploads), kind]).encode()).hexdigest()


def _appointment(attempt: BookingAttempt, seat: Seat, context: _Context) -> Appointment:
    details, now = attempt.details, clock.now()
    appointment = Appointment(
        id=attempt.id,
        patient_id=attempt.patient_id,
        doctor_id=details.doctor_id,
        slot=seat.slot,
        seat=seat.number,
        appointment_date=seat.date,
        appointment_time=seat.start_time,
        starts_at=seat.starts_at,
        ends_at=seat.ends_at,
        purpose_of_visit=details.purpose_of_visit,
        reason=details.reason,
        symptoms=details.symptoms,
        payment=PaymentInfo(amount=seat.fee),
        history=[Change(target=Status.PENDING, by=attempt.patient_id, at=now)],
        created_by=attempt.patient_id,
        created_at=now,
        updated_at=now,
    )
    appointment.patient, appointment.doctor = context.users[attempt.patient_id], context.users[details.doctor_id]
    appointment.images = list(attempt.files)
    return appointment


def _replay_or_refuse(error: ClinicError | DuplicateKeyError, attempt: BookingAttempt) -> Appointment:
    """Return the appointment that was booked with the same key; if there is none, raise the reason of the refusal."""
    used = attempt.key and IdempotencyKey.objects(user=attempt.key.user, key=attempt.key.key).first()
    if used is not None:
        return _replay(attempt, used)
    fields: dict[str, Any] = (error.details or {}).get("keyPattern", {}) if isinstance(error, DuplicateKeyError) else {}
    if "seat" in fields:
        raise rules.SlotTaken(_alternatives(attempt.details)) from error
    if isinstance(error, rules.SlotUnavailable):
        raise type(error)(_alternatives(attempt.details)) from error
    if "patient" in fields:
        raise DuplicateValue(_SAME_TIME if "startsAt" in fields else _SAME_DAY) from error
    raise error


def _replay(attempt: BookingAttempt, used: IdempotencyKey) -> Appointment:
    if attempt.key is None or used.fingerprint != attempt.key.fingerprint:
        raise IdempotencyKeyReused
    appointment: Appointment = Appointment.visible_to(attempt.actor).require(used.appointment)
    return Appointment.with_people([appointment])[0]


def _alternatives(details: BookingDetails) -> list[dict[str, str]]:
    zone = settings().policy.timezone
    requested = clock.wall_clock(details.appointment_date, details.appointment_time, zone)
    return [
        {
            "doctorId": str(slot.doctor),
            "appointmentDate": f"{slot.date:%Y-%m-%d}",
            "appointmentTime": slot.start_time,
        }
        for slot in Slot.nearest_free(details.doctor_id, requested, now=clock.now(), limit=ALTERNATIVES)
    ]
