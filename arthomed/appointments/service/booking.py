"""Booking: a seat, a visit, its messages and its key, all in one transaction or not at all."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from functools import partial
from hashlib import sha256
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.appointments import messages, rules
from arthomed.appointments.models import Appointment, Change, IdempotencyKey, Payment, visits_of
from arthomed.appointments.rules import Status
from arthomed.appointments.service import trail
from arthomed.config import settings
from arthomed.core import clock, metrics
from arthomed.core.actor import Actor
from arthomed.core.copies import changed
from arthomed.core.documents import transaction
from arthomed.core.errors import DuplicateValue, IdempotencyKeyReused, NotFound
from arthomed.files.models import File
from arthomed.files.rules import Category, Place
from arthomed.files.rules import Kind as FileKind
from arthomed.files.service import receiving
from arthomed.files.service.receiving import Upload
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.scheduling.models import Slot, slots_of
from arthomed.users.models import User

log = structlog.get_logger()

ALTERNATIVES = 3
_OF_PATIENT = ["name", "mobileNumber", "email", "visitsBooked"]  # the rest is long to read
_SAME_TIME = "You already have a visit at that time"
_SAME_DAY = "You already have a visit with this doctor on that day"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a patient asks for; date and time are the clinic's."""

    doctor_id: ObjectId
    appointment_date: date
    appointment_time: str
    purpose_of_visit: str
    reason: str
    symptoms: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A wish with the id that its visit will have, and with what came with it."""

    actor: Actor
    wish: Wish
    id: ObjectId = field(default_factory=ObjectId)
    key: IdempotencyKey | None = None
    files: Sequence[File] = ()


def book(actor: Actor, wish: Wish, *, key: str | None = None, uploads: Sequence[Upload] = ()) -> Appointment:
    """Book a visit for the acting patient; with a key, a repetition gives the same visit again.

    The uploads become its files, or nothing of them stays.

    Raises:
        NotFound: there is no such doctor.
        SlotUnavailable: with the nearest free slots of that doctor.
        DuplicateValue: the patient has a visit then, or with that doctor on that day.
        BookingLimitReached: the patient has too many open visits.
        IdempotencyKeyReused: the key stands for another wish.
        TooManyFiles, FileTooLarge, InvalidFile: one of the uploads is refused.
    """
    request = Request(actor, wish)
    if key is not None:
        of = {"user": actor.user_id, "key": key, "fingerprint": _fingerprint(wish, uploads)}
        request = replace(request, key=IdempotencyKey(appointment=request.id, **of))
    place = Place(FileKind.APPOINTMENTS, Category.REPORTS, request.id, actor.person)
    try:
        with receiving.taken_in(actor, uploads, place) as files:
            appointment, told = transaction(partial(_book, replace(request, files=files)))
    except DuplicateKeyError as error:
        return _explained(error, request)
    except rules.SlotUnavailable as error:
        raise rules.SlotUnavailable(_alternatives(wish)) from error
    notifications.hand_over_or_leave(told)
    log.info("appointment_booked", appointment_id=str(appointment.id))
    metrics.BOOKINGS.add()
    return appointment


def _book(request: Request, session: ClientSession) -> tuple[Appointment, list[Notification]]:
    """The transaction's work; runs again from the start when another writer was in the way."""
    actor, wish, now = request.actor, request.wish, clock.now()
    changed(slots_of(wish.doctor_id), visits_of(actor.person))  # also when the key finds the visit booked
    if request.key is not None:
        request.key.insert(session)  # first, so that a repetition waits here, before it can take a seat
    patient = _admit(actor, session)
    doctor = User.bookable_doctor(wish.doctor_id, session)
    if doctor is None:
        raise NotFound("Doctor not found")
    days_ahead = (wish.appointment_date - clock.local_date(now, settings().policy.timezone)).days
    rules.ensure_bookable_day(days_ahead, settings().policy)
    slot = Slot.claim(wish.doctor_id, wish.appointment_date, wish.appointment_time, now=now, session=session)
    if slot is None:
        raise rules.SlotUnavailable
    appointment = _appointment(request.id, actor, wish, slot)
    appointment.insert(session)
    appointment.patient, appointment.doctor, appointment.images = patient, doctor, list(request.files)
    receiving.attach(actor, request.files, session)
    trail.note_booking(actor, appointment, session)
    return appointment, messages.tell(appointment, patient, session)


def _fingerprint(wish: Wish, uploads: Sequence[Upload]) -> str:
    """The same for the same wish with the same files, whatever the order its fields were sent in."""
    told = json.dumps(asdict(wish), default=str, sort_keys=True)
    return sha256("".join([told, *(upload.digest for upload in uploads)]).encode()).hexdigest()


def _admit(actor: Actor, session: ClientSession) -> User:
    """Write to the patient, so that their bookings come one after the other and can be counted.

    Who has not booked that often yet can't have too many open visits.
    """
    raw = User.collection().find_one_and_update(
        {"_id": actor.user_id, "isActive": True},
        {"$inc": {"visitsBooked": 1}},
        projection=_OF_PATIENT,
        session=session,
    )
    if raw is None:
        raise NotFound
    patient: User = User.from_raw(raw)
    most = settings().policy.max_open_visits
    if patient.visits_booked >= most and Appointment.count_open(patient.id, session) >= most:
        raise rules.BookingLimitReached
    return patient


def _appointment(appointment_id: ObjectId, actor: Actor, wish: Wish, slot: Slot) -> Appointment:
    now = clock.now()
    return Appointment(
        id=appointment_id,
        patient_id=actor.user_id,
        doctor_id=wish.doctor_id,
        slot=slot.id,
        seat=slot.last_claimed_seat,
        appointment_date=slot.date,
        appointment_time=slot.start_time,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        purpose_of_visit=wish.purpose_of_visit,
        reason=wish.reason,
        symptoms=wish.symptoms,
        payment=Payment(amount=slot.consultation_fee),
        history=[Change(target=Status.PENDING, by=actor.user_id, at=now)],
        created_by=actor.user_id,
    )


def _explained(error: DuplicateKeyError, request: Request) -> Appointment:
    """Say in the clinic's words which unique index refused the booking."""
    fields: dict[str, Any] = (error.details or {}).get("keyPattern", {})
    if request.key is not None and "key" in fields:
        return _repeated(request.actor, request.key)
    if "seat" in fields:
        raise rules.SlotUnavailable(_alternatives(request.wish)) from error
    if "patient" not in fields:
        raise error
    raise DuplicateValue(_SAME_TIME if "startsAt" in fields else _SAME_DAY) from error


def _repeated(actor: Actor, key: IdempotencyKey) -> Appointment:
    used: IdempotencyKey = IdempotencyKey.objects.get(user=key.user, key=key.key)
    if used.fingerprint != key.fingerprint:
        raise IdempotencyKeyReused
    appointment: Appointment = Appointment.visible_to(actor).require(used.appointment)
    return Appointment.with_people([appointment])[0]


def _alternatives(wish: Wish) -> list[dict[str, str]]:
    zone = settings().policy.timezone
    wanted = clock.wall_clock(wish.appointment_date, wish.appointment_time, zone)
    return [
        {
            "doctorId": str(slot.doctor),
            "appointmentDate": f"{slot.date:%Y-%m-%d}",
            "appointmentTime": slot.start_time,
        }
        for slot in Slot.nearest_free(wish.doctor_id, wanted, now=clock.now(), most=ALTERNATIVES)
    ]
