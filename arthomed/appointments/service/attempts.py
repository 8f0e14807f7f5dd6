"""What a booking asks for, on its way into a transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date

from bson import ObjectId

from arthomed.appointments.keys import IdempotencyKey
from arthomed.appointments.rules import Source
from arthomed.core import origin
from arthomed.core.actor import Actor
from arthomed.core.origin import Origin
from arthomed.files.models import File
from arthomed.scheduling.seats import Start
from arthomed.users.models import User


@dataclass(frozen=True, slots=True)
class BookingDetails:
    """The requested booking; date and time are in the clinic's time zone. A walk-in has no time."""

    doctor_id: ObjectId
    appointment_date: date
    appointment_time: str | None
    purpose_of_visit: str
    reason: str | None
    symptoms: str | None = None
    dependent_id: ObjectId | None = None


@dataclass(frozen=True, slots=True)
class BookingAttempt:
    """A booking on its way into a transaction: `id` becomes the appointment's id.

    `new_patient` is stored in the transaction; an existing patient is known by `patient_id` alone.
    """

    actor: Actor
    patient_id: ObjectId
    details: BookingDetails
    source: Source = Source.APP
    new_patient: User | None = None
    id: ObjectId = field(default_factory=ObjectId)
    key: IdempotencyKey | None = None
    files: Sequence[File] = ()
    origin: Origin = field(default_factory=origin.current)

    @property
    def start(self) -> Start:
        return self.details.doctor_id, self.details.appointment_date, self.details.appointment_time

    @property
    def batch_keys(self) -> Collection[object]:
        """Bookings of one patient or of one slot would conflict."""
        patient = self.new_patient.mobile_number if self.new_patient else self.patient_id
        return (patient,) if self.source is Source.WALK_IN else (patient, self.start)
