"""Schemas of patients at the desk, in and out."""

from typing import Any

import marshmallow as ma
from marshmallow import fields

from arthomed.appointments.schemas import RecordOut
from arthomed.auth.schemas import OneTimeCode
from arthomed.core.permissions import Role
from arthomed.http.schema import Changes, PageQuery, Schema, Text
from arthomed.users.family_schemas import DependentOut
from arthomed.users.fields import EmailAddress, Mobile, Name
from arthomed.users.schemas import FoundPatientOut, ProfilePart

_OF_STAFF = {"id", "name"}


class PatientQuery(PageQuery):
    search = Text(
        required=True,
        max_length=100,
        metadata={
            "example": "asha ver",
            "description": "The beginnings of the words of a name, in any order and script (at least two letters); the "
            "number, or its last four digits or more; or # and today's token.",
        },
    )


class CreatePatient(Schema):
    mobile_number = Mobile(required=True)
    name = Name(required=True)
    email = EmailAddress()
    profile = fields.Nested(ProfilePart)


class UpdatePatient(Changes):
    """Merged into a patient's record; null clears a field."""

    name = Name()
    email = EmailAddress(allow_none=True)
    profile = fields.Nested(ProfilePart)
    mobile_number = Mobile(metadata={"description": "A new number needs `otp`, and signs all devices out."})
    otp = OneTimeCode(metadata={"description": "The code that `POST /api/auth/send-otp` sent to the new number."})

    @ma.validates_schema
    def require_number(self, loaded: dict[str, object], **_: object) -> None:
        if "otp" in loaded and "mobile_number" not in loaded:
            raise ma.ValidationError("Only with a new `mobileNumber`.", "otp")


class PatientOut(RecordOut):
    """A patient's record; `patientInfo` is not for the reception."""


class PatientAndFamilyOut(PatientOut):
    """A patient's record with the family; a doctor gets the members whom the doctor treats."""

    dependents = fields.List(fields.Nested(DependentOut), required=True)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return super().get_attribute(obj if attr == "dependents" else obj.patient, attr, default)

    @ma.post_dump(pass_original=True)
    def for_reader(self, dumped: dict[str, Any], record: Any, **_: object) -> dict[str, Any]:
        shown: dict[str, Any] = super().for_reader(dumped, record.patient)
        return shown


class ClaimDependent(Schema):
    mobile_number = Mobile(required=True)
    otp = OneTimeCode(
        required=True, metadata={"description": "The code that `POST /api/auth/send-otp` sent to the number."}
    )


class RegisteredOut(PatientOut):
    """A patient's record; of a number of the staff only id and name."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        super().on_bind_field(field_name, field_obj)
        field_obj.required = field_obj.attribute in _OF_STAFF or field_name in _OF_STAFF

    @staticmethod
    def trimmed(dumped: dict[str, Any]) -> dict[str, Any]:
        if dumped["role"] != Role.PATIENT:
            return {"_id": dumped["_id"], "name": dumped["name"]}
        return PatientOut.trimmed(dumped)


class RegistrationOut(Schema):
    patient = fields.Nested(RegisteredOut, required=True)
    possible_duplicates = fields.List(
        fields.Nested(FoundPatientOut),
        required=True,
        metadata={"description": "Of a new patient: others who may be the same person."},
    )
