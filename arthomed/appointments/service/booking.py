"""Booking: a seat, a visit, its messages and its key, all in one transaction or not at all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import partial
from hashlib import sha256
from typing import Any

import structlog
from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from arthomed.appointments import messages, rules
from arthomed.appointments.models import Appointment, IdempotencyKey, visits_of
from arthomed.appointments.rules import Status
from arthomed.appointments.service import trail
from arthomed.audit import service as audit
from arthomed.config import settings
from arthomed.core import clock, metrics, origin
from arthomed.core.actor import Actor
from arthomed.core.copies import changed
from arthomed.core.documents import Raw, transaction
from arthomed.core.errors import ClinicError, DuplicateValue, IdempotencyKeyReused, NotFound
from arthomed.core.origin import Origin
from arthomed.core.together import Together
from arthomed.files.models import File
from arthomed.files.rules import Category, Place
from arthomed.files.rules import Kind as FileKind
from arthomed.files.service import receiving
from arthomed.files.service.receiving import Upload
from arthomed.notifications import service as notifications
from arthomed.notifications.models import Notification
from arthomed.scheduling.models import Seat, Slot, Start, slots_of
from arthomed.users.models import BOOKABLE, User

log = structlog.get_logger()

ALTERNATIVES = 3
_SAME_TIME = "You already have a visit at that time"
_SAME_DAY = "You already have a visit with this doctor on that day"

Told = Raw | Appointment
"""A visit with its people and files, as an answer tells it: as stored, or with the same by attributes."""


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
    origin: Origin = field(default_factory=origin.current)

    @property
    def patient(self) -> ObjectId:
        return self.actor.person

    @property
    def start(self) -> Start:
        return self.wish.doctor_id, self.wish.appointment_date, self.wish.appointment_time


@dataclass(frozen=True, slots=True)
class _Found:
    """What bookings depend on, read at the start of their transaction."""

    people: Mapping[ObjectId, Raw]
    seats: Mapping[Start, Seat]
    open_visits: Mapping[ObjectId, int]


@dataclass(frozen=True, slots=True)
class _Booked:
    """A visit, as an answer tells it, with what is in the outbox about it."""

    visit: Raw
    told: list[Notification]


def book(actor: Actor, wish: Wish, *, key: str | None = None, uploads: Sequence[Upload] = ()) -> Told:
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
            booked = _book_with_others(replace(request, files=files))
    except (NotFound, rules.SlotUnavailable, rules.BookingLimitReached, DuplicateKeyError) as error:
        return _explained(error, request)
    log.info("appointment_booked", appointment_id=str(booked.visit["_id"]))
    metrics.BOOKINGS.add()
    return booked.visit


def _book_all(requests: Sequence[Request], *, once: bool) -> list[_Booked | Exception]:
    outcomes = transaction(partial(_book, requests), once=once)
    booked = [(request, one) for request, one in zip(requests, outcomes, strict=True) if isinstance(one, _Booked)]
    notifications.ask_or_leave(
        [job for request, one in booked for job in notifications.sendings(one.told, request.origin)]
    )
    return outcomes


_book_with_others = Together(_book_all, names=lambda request: (request.patient, request.start), gathers=True)


def _book(requests: Sequence[Request], session: ClientSession) -> list[_Booked | Exception]:
    """The transaction's work, with an outcome or a refusal for each.

    First it reads all, then it writes; when somebody else wrote to any of that meanwhile, it runs again from the start.
    """
    for request in requests:  # also when it turns out to be booked already
        changed(slots_of(request.wish.doctor_id), visits_of(request.patient))
    now = clock.now()
    found = _find(requests, now, session)
    refusals = [_refusal(request, found, now) for request in requests]
    admitted = [request for request, refusal in zip(requests, refusals, strict=True) if refusal is None]
    booked = iter(_write(admitted, found, session) if admitted else ())
    return [refusal or next(booked) for refusal in refusals]


def _find(requests: Sequence[Request], now: datetime, session: ClientSession) -> _Found:
    """Who has not booked that often yet can't have too many open visits, and need not be counted."""
    people = User.of_bookings(
        [one for request in requests for one in (request.patient, request.wish.doctor_id)], session
    )
    seats = Slot.free_seats([request.start for request in requests], now=now, session=session)
    most = settings().policy.max_open_appointments
    patients = (people.get(request.patient) for request in requests)
    often = [patient["_id"] for patient in patients if patient and patient.get("visitsBooked", 0) >= most]
    return _Found(people, seats, Appointment.count_open(often, session) if often else {})


def _refusal(request: Request, found: _Found, now: datetime) -> ClinicError | None:
    try:
        _ensure_bookable(request, found, now)
    except ClinicError as refusal:
        return refusal
    return None


def _ensure_bookable(request: Request, found: _Found, now: datetime) -> None:
    wish, policy = request.wish, settings().policy
    if request.patient not in found.people:
        raise NotFound
    if found.open_visits.get(request.patient, 0) >= policy.max_open_appointments:
        raise rules.BookingLimitReached
    doctor = found.people.get(wish.doctor_id)
    if doctor is None or not doctor.items() >= BOOKABLE.items():
        raise NotFound("Doctor not found")
    rules.ensure_bookable_day((wish.appointment_date - clock.local_date(now, policy.timezone)).days, policy)
    if request.start not in found.seats:
        raise rules.SlotUnavailable


def _write(requests: Sequence[Request], found: _Found, session: ClientSession) -> list[_Booked]:
    """Write to the patients, too, so that the bookings of one come one after the other and can be counted."""
    IdempotencyKey.insert_all([request.key for request in requests if request.key is not None], session)
    User.count_bookings([request.patient for request in requests], session)
    seats = [found.seats[request.start] for request in requests]
    Slot.claim(seats, session=session)
    visits = [_visit(request, seat) for request, seat in zip(requests, seats, strict=True)]
    Appointment.insert_new(visits, session)
    with_devices = notifications.with_devices([request.patient for request in requests])
    events, booked = [], []
    for request, visit in zip(requests, visits, strict=True):
        patient, doctor = found.people[request.patient], found.people[request.wish.doctor_id]
        told = messages.of_booking(visit, patient.get("email"), has_device=request.patient in with_devices)
        with origin.instead(request.origin):
            receiving.attach(request.actor, request.files, session)
            events.append(trail.of_booking(request.actor, request.id))
        booked.append(_Booked({**visit, "patient": patient, "doctor": doctor, "images": request.files}, told))
    audit.note(events, session)
    notifications.put([message for one in booked for message in one.told], session)
    return booked


def _fingerprint(wish: Wish, uploads: Sequence[Upload]) -> str:
    """The same for the same wish with the same files, whatever the order its fields were sent in."""
    told = json.dumps(asdict(wish), default=str, sort_keys=True)
    return sha256("".join([told, *(upload.digest for upload in uploads)]).encode()).hexdigest()


def _visit(request: Request, seat: Seat) -> Raw:
    """A new visit, as it is stored."""
    wish, now = request.wish, clock.now()
    return {
        "_id": request.id,
        "patient": request.patient,
        "doctor": wish.doctor_id,
        "slot": seat.slot,
        "seat": seat.number,
        "appointmentDate": seat.date,
        "appointmentTime": seat.start_time,
        "startsAt": seat.starts_at,
        "endsAt": seat.ends_at,
        "status": Status.PENDING,
        "purposeOfVisit": wish.purpose_of_visit,
        "reason": wish.reason,
        **({} if wish.symptoms is None else {"symptoms": wish.symptoms}),
        "payment": {"amount": seat.fee, "status": "pending"},
        "history": [{"to": Status.PENDING, "by": request.patient, "at": now}],
        "createdBy": request.patient,
        "createdAt": now,
        "updatedAt": now,
    }


def _explained(error: ClinicError | DuplicateKeyError, request: Request) -> Told:
    """The visit that stands for the key, if there is one; else say in the clinic's words why there is none."""
    used = request.key and IdempotencyKey.objects(user=request.key.user, key=request.key.key).first()
    if used is not None:
        return _repeated(request, used)
    fields: dict[str, Any] = (error.details or {}).get("keyPattern", {}) if isinstance(error, DuplicateKeyError) else {}
    if "seat" in fields or isinstance(error, rules.SlotUnavailable):
        raise rules.SlotUnavailable(_alternatives(request.wish)) from error
    if "patient" in fields:
        raise DuplicateValue(_SAME_TIME if "startsAt" in fields else _SAME_DAY) from error
    raise error


def _repeated(request: Request, used: IdempotencyKey) -> Appointment:
    if request.key is None or used.fingerprint != request.key.fingerprint:
        raise IdempotencyKeyReused
    appointment: Appointment = Appointment.visible_to(request.actor).require(used.appointment)
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
