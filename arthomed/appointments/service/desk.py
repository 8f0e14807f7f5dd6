"""The desk books for patients: for later, or for one who walked in."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from arthomed.appointments.models import Appointment
from arthomed.appointments.rules import Source
from arthomed.appointments.service import booking, idempotency
from arthomed.appointments.service.attempts import BookingAttempt, BookingDetails
from arthomed.audit import service as audit
from arthomed.audit.models import Kind
from arthomed.config import settings
from arthomed.core import clock
from arthomed.core.actor import Actor
from arthomed.core.errors import NotFound
from arthomed.core.permissions import Role
from arthomed.users import patients
from arthomed.users import service as users
from arthomed.users.models import User


@dataclass(frozen=True, slots=True)
class DeskBooking:
    """A booking for a patient, known by an id, or by a number and a name. Without a time the patient walked in.

    `profile` is stored with a patient who is created for it.
    """

    doctor_id: ObjectId
    purpose_of_visit: str
    patient_id: ObjectId | None = None
    mobile_number: str | None = None
    name: str | None = None
    appointment_date: date | None = None
    appointment_time: str | None = None
    reason: str | None = None
    dependent_id: ObjectId | None = None
    profile: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class DeskBooked:
    """What was booked; `possible_duplicates` are others who may be the patient who was created for it."""

    appointment: Appointment
    possible_duplicates: list[User]


def book(actor: Actor, request: DeskBooking, *, key: str | None = None) -> DeskBooked:
    """Book a confirmed appointment for a patient, who is created if the number is unknown.

    A walk-in gets the next free slot of today or an overflow place, and a token.

    Raises:
        NotFound: the patient does not exist or is deactivated; the family has no such member; the doctor does not
            exist or cannot be booked.
        SlotUnavailable, SlotTaken, ValidationFailed, DuplicateValue, IdempotencyKeyReused: see `booking.place`.
    """
    attempt = _attempt(actor, request, key)
    try:
        appointment = booking.place(attempt)
    except DuplicateKeyError:  # another request has stored a patient with this number meanwhile
        attempt = _attempt(actor, request, key)
        appointment = booking.place(attempt)
    if attempt.new_patient is None or appointment.id != attempt.id:  # nobody new, or a repeated request
        return DeskBooked(appointment, [])
    return DeskBooked(appointment, patients.possible_duplicates(actor, attempt.new_patient))


def _attempt(actor: Actor, request: DeskBooking, key: str | None) -> BookingAttempt:
    patient_id, new_patient = _patient(actor, request)
    details = BookingDetails(
        request.doctor_id,
        request.appointment_date or clock.today(settings().policy.timezone),
        request.appointment_time,
        request.purpose_of_visit,
        request.reason,
        dependent_id=request.dependent_id,
    )
    source = Source.WALK_IN if request.appointment_time is None else Source.DESK
    attempt = BookingAttempt(actor, patient_id, details, source, new_patient)
    return replace(attempt, key=idempotency.new_key(actor, key, attempt.id, asdict(request)))


def _patient(actor: Actor, request: DeskBooking) -> tuple[ObjectId, User | None]:
    """The patient's id; with an unknown number also the new patient, who is not stored yet."""
    if request.patient_id is not None:
        return request.patient_id, None
    mobile = str(request.mobile_number)
    known = find_by_mobile(actor, mobile)
    if known is not None:
        return known.id, None
    profile = {"profile": request.profile} if request.profile else {}
    patient = users.new_user(Role.PATIENT, mobile, request.name, **profile)
    patient.id = ObjectId()
    return patient.id, patient


def find_by_mobile(actor: Actor, mobile: str) -> User | None:
    """The user of a number, of any role: staff may be patients.

    Raises:
        NotFound: the account is deactivated.
    """
    found = users.find_by_mobile(mobile)
    audit.record_search(actor, Kind.USER, {"mobileNumber": mobile}, found=int(found is not None))
    if found is not None and not found.is_active:
        raise NotFound("The account of this number is deactivated")
    return found
