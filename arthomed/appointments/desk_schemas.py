"""Schemas of what the desk sends."""

from typing import Any

import marshmallow as ma
from marshmallow import fields

from arthomed.appointments.schemas import AppointmentOut, purpose_text, reason_text
from arthomed.appointments.service.desk import DeskBooking
from arthomed.http.schema import Day, Flag, Id, Schema, TimeOfDay
from arthomed.users.fields import Mobile, Name
from arthomed.users.schemas import FoundPatientOut

_NOT_IN_EXAMPLE = {"in_example": False}
_MISSING = "Missing data for required field."


class BookAtDesk(Schema):
    """`patientId`, or `mobileNumber` and `name`; date and time, or `isWalkIn`."""

    patient_id = Id(metadata={**_NOT_IN_EXAMPLE, "description": "Instead of `mobileNumber` and `name`."})
    mobile_number = Mobile()
    name = Name()
    dependent_id = Id(metadata={**_NOT_IN_EXAMPLE, "description": "The family member whom the appointment is for."})
    doctor_id = Id(required=True)
    appointment_date = Day()
    appointment_time = TimeOfDay()
    is_walk_in = Flag(
        load_default=False, metadata={**_NOT_IN_EXAMPLE, "description": "Instead of a date and a time: now, today."}
    )
    purpose_of_visit = purpose_text(load_default="consultation")
    reason = reason_text()

    @ma.validates_schema
    def require_one_patient(self, loaded: dict[str, Any], **_: object) -> None:
        self._require("mobile_number", "name", unless="patient_id" in loaded, loaded=loaded)

    @ma.validates_schema
    def require_time_unless_walk_in(self, loaded: dict[str, Any], **_: object) -> None:
        self._require("appointment_date", "appointment_time", unless=loaded["is_walk_in"], loaded=loaded)

    @ma.post_load
    def to_booking(self, loaded: dict[str, Any], **_: object) -> DeskBooking:
        del loaded["is_walk_in"]  # a booking without a time is one
        return DeskBooking(**loaded)

    def _require(self, *names: str, unless: bool, loaded: dict[str, Any]) -> None:
        """Require all of these fields, or none of them where something else stands instead."""
        wrong = [str(self.fields[name].data_key) for name in names if (name in loaded) is unless]
        if wrong:
            instead = "Leave this out: `patientId` or `isWalkIn` stands for it."
            raise ma.ValidationError({name: [instead if unless else _MISSING] for name in wrong})


class BookedAtDeskOut(Schema):
    appointment = fields.Nested(AppointmentOut, required=True)
    possible_duplicates = fields.List(
        fields.Nested(FoundPatientOut),
        required=True,
        metadata={"description": "Where a patient was created: others who may be the same person."},
    )
