"""Request and response schemas of users."""

from typing import Any

import marshmallow as ma
from marshmallow import fields
from marshmallow.validate import OneOf

from arthomed.core.permissions import Role
from arthomed.http.schema import (
    Changes,
    Day,
    EndTime,
    FileUrl,
    Flag,
    Id,
    Instant,
    PageQuery,
    Part,
    Schema,
    Text,
    TimeOfDay,
    integer,
)
from arthomed.notifications import catalogue
from arthomed.users.fields import EmailAddress, Gender, Mobile, Name, PastDay, Phone, Pincode

_MAX_FEE = 1_000_000  # rupees
_ROLES = tuple(map(str, Role))
_LANGUAGES = tuple(catalogue.languages())


class AddressPart(Part):
    street = Text(max_length=200, multiline=True, allow_none=True, metadata={"example": "12 Hill Road"})
    city = Text(max_length=100, allow_none=True, metadata={"example": "Pune"})
    state = Text(max_length=100, allow_none=True, metadata={"example": "Maharashtra"})
    pincode = Pincode(allow_none=True)
    country = Text(max_length=100, allow_none=True, metadata={"example": "India"})


class EmergencyContactPart(Part):
    name = Name(allow_none=True)
    relationship = Text(max_length=50, allow_none=True, metadata={"example": "mother"})
    mobile_number = Phone(allow_none=True)


class ProfilePart(Part):
    language = fields.String(
        allow_none=True,
        validate=OneOf(_LANGUAGES),
        metadata={"example": "hi", "description": "Language of messages, an ISO 639-1 code."},
    )
    date_of_birth = PastDay(allow_none=True, metadata={"example": "1990-04-21"})
    gender = Gender(allow_none=True)
    address = fields.Nested(AddressPart, allow_none=True)
    emergency_contact = fields.Nested(EmergencyContactPart, allow_none=True)


class ConditionPart(Part):
    condition = Text(required=True, max_length=200, metadata={"example": "Asthma"})
    diagnosed_date = PastDay(allow_none=True, metadata={"example": "2015-06-01"})
    treatment = Text(max_length=1000, multiline=True, allow_none=True, metadata={"example": "Inhaler"})
    doctor = Text(max_length=100, allow_none=True, metadata={"example": "Dr Rao"})


class PatientInfoPart(Part):
    blood_group = fields.String(
        allow_none=True,
        validate=OneOf(["A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-"]),
        metadata={"example": "B+"},
    )
    allergies = fields.List(
        Text(max_length=100, metadata={"example": "Penicillin"}), validate=ma.validate.Length(0, 50), allow_none=True
    )
    medical_history = fields.List(fields.Nested(ConditionPart), validate=ma.validate.Length(0, 100), allow_none=True)
    emergency_contact = fields.Nested(EmergencyContactPart, allow_none=True)


class OwnDoctorInfoPart(Part):
    """The fields that doctors may change themselves. Only an admin changes fee and registration number."""

    specialization = Text(max_length=100, allow_none=True, metadata={"example": "Cardiology"})
    qualification = Text(max_length=200, allow_none=True, metadata={"example": "MBBS, MD"})
    experience = integer(0, 80, allow_none=True, metadata={"example": 12, "description": "Years."})


class DoctorInfoPart(OwnDoctorInfoPart):
    consultation_fee = integer(0, _MAX_FEE, allow_none=True, metadata={"example": 500, "description": "Whole rupees."})
    registration_number = Text(max_length=50, allow_none=True, metadata={"example": "MH-12345"})


class UpdateProfile(Changes):
    """Merged into the caller's own record; null clears a field."""

    name = Name()
    email = EmailAddress(allow_none=True)
    profile = fields.Nested(ProfilePart)
    patient_info = fields.Nested(PatientInfoPart)
    doctor_info = fields.Nested(OwnDoctorInfoPart)


class UpdateUser(Changes):
    """Merged into a user's record by an admin. The schedule endpoint sets a doctor's weekly hours."""

    mobile_number = Mobile()
    name = Name()
    email = EmailAddress(allow_none=True)
    role = fields.String(validate=OneOf(_ROLES), metadata={"example": "doctor"})
    is_verified = Flag(metadata={"example": True})
    profile = fields.Nested(ProfilePart)
    patient_info = fields.Nested(PatientInfoPart)
    doctor_info = fields.Nested(DoctorInfoPart)


class CreateUser(UpdateUser):
    clears_blank_fields = False

    mobile_number = Mobile(required=True)
    name = Name(required=True)
    role = fields.String(required=True, validate=OneOf(_ROLES), metadata={"example": "doctor"})
    is_verified = Flag(load_default=True, metadata={"example": True})


class UserQuery(PageQuery):
    role = fields.String(validate=OneOf(_ROLES), metadata={"example": "doctor"})
    search = Text(
        max_length=100,
        metadata={
            "description": "The beginnings of the words of a name in any order, the first digits of a mobile number or "
            "its last four or more, or the beginning of an e-mail address."
        },
    )
    is_active = fields.Boolean()
    sort = fields.String(
        load_default="-createdAt",
        validate=OneOf(["name", "-name", "createdAt", "-createdAt"]),
        metadata={"example": "-createdAt"},
    )


class AddressOut(Schema):
    street = fields.String(allow_none=True, metadata={"example": "12 Hill Road"})
    city = fields.String(allow_none=True, metadata={"example": "Pune"})
    state = fields.String(allow_none=True, metadata={"example": "Maharashtra"})
    pincode = fields.String(allow_none=True, metadata={"example": "411001"})
    country = fields.String(allow_none=True, dump_default="India", metadata={"example": "India"})


class EmergencyContactOut(Schema):
    name = fields.String(allow_none=True, metadata={"example": "Meera Verma"})
    relationship = fields.String(allow_none=True, metadata={"example": "mother"})
    mobile_number = fields.String(allow_none=True, metadata={"example": "9876501234"})


class ProfileOut(Schema):
    language = fields.String(
        required=True,
        dump_default="en",
        metadata={"example": "hi", "description": "Language of messages; the default is `en`."},
    )
    date_of_birth = Day(allow_none=True, metadata={"example": "1990-04-21"})
    gender = fields.String(allow_none=True, metadata={"example": "female"})
    address = fields.Nested(AddressOut, allow_none=True)
    emergency_contact = fields.Nested(EmergencyContactOut, allow_none=True)


class HoursOut(Schema):
    day = fields.String(required=True, metadata={"example": "monday"})
    start_time = TimeOfDay(required=True, metadata={"example": "09:00"})
    end_time = EndTime(required=True)
    is_available = fields.Boolean(required=True, dump_default=True, metadata={"example": True})
    max_patients = fields.Integer(required=True, dump_default=1, metadata={"example": 1})


class PublicDoctorInfoOut(Schema):
    specialization = fields.String(allow_none=True, metadata={"example": "Cardiology"})
    qualification = fields.String(allow_none=True, metadata={"example": "MBBS, MD"})
    experience = fields.Integer(allow_none=True, metadata={"example": 12})
    consultation_fee = fields.Integer(dump_default=0, metadata={"example": 500, "description": "Whole rupees."})
    schedule = fields.List(fields.Nested(HoursOut))


class DoctorInfoOut(PublicDoctorInfoOut):
    registration_number = fields.String(allow_none=True, metadata={"example": "MH-12345"})


class ConditionOut(Schema):
    condition = fields.String(metadata={"example": "Asthma"})
    diagnosed_date = Day(allow_none=True)
    treatment = fields.String(allow_none=True, metadata={"example": "Inhaler"})
    doctor = fields.String(allow_none=True, metadata={"example": "Dr Rao"})


class PatientInfoOut(Schema):
    blood_group = fields.String(allow_none=True, metadata={"example": "B+"})
    allergies = fields.List(fields.String(metadata={"example": "Penicillin"}))
    medical_history = fields.List(fields.Nested(ConditionOut))
    emergency_contact = fields.Nested(EmergencyContactOut, allow_none=True)


class UserOut(Schema):
    """A user's record for the user and for the clinic's staff."""

    _id = Id(attribute="id", data_key="_id", required=True)
    mobile_number = fields.String(required=True, metadata={"example": "9876543210"})
    name = fields.String(required=True, metadata={"example": "Asha Verma"})
    email = fields.String(required=True, allow_none=True, metadata={"example": "asha@example.com"})
    avatar = FileUrl(metadata={"example": "/api/files/user_672b1234_1764234567890_avatar_9f.jpg"})
    role = fields.String(required=True, metadata={"example": "patient"})
    is_active = fields.Boolean(required=True, metadata={"example": True})
    is_verified = fields.Boolean(required=True, metadata={"example": True})
    profile = fields.Nested(ProfileOut, required=True, dump_default={})
    doctor_info = fields.Nested(DoctorInfoOut, metadata={"description": "Only for doctors.", "in_example": False})
    patient_info = fields.Nested(PatientInfoOut, metadata={"description": "Only for patients."})
    created_at = Instant(required=True)
    updated_at = Instant(required=True)

    @staticmethod
    def trimmed(dumped: dict[str, Any]) -> dict[str, Any]:
        """Leave out the parts of other roles."""
        return {key: value for key, value in dumped.items() if _ROLE_OF_PART.get(key, dumped["role"]) == dumped["role"]}

    @ma.post_dump
    def trim(self, dumped: dict[str, Any], **_: object) -> dict[str, Any]:
        return self.trimmed(dumped)


class OwnUserOut(UserOut):
    """A user's own record, with what the user may do: clients show what a permission is for."""

    permissions = fields.List(fields.String(), required=True, metadata={"example": ["appointment:book", "profile"]})


_ROLE_OF_PART = {"doctorInfo": Role.DOCTOR, "patientInfo": Role.PATIENT}


class DoctorOut(Schema):
    """The public profile of a doctor, without mobile number and e-mail address."""

    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, metadata={"example": "Dr Meera Iyer"})
    is_active = fields.Boolean(required=True, metadata={"example": True})
    doctor_info = fields.Nested(PublicDoctorInfoOut, required=True)


class UserStatsOut(Schema):
    total = fields.Integer(required=True, metadata={"example": 120})
    active = fields.Integer(required=True, metadata={"example": 118})
    inactive = fields.Integer(required=True, metadata={"example": 2})
    by_role = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        metadata={"example": {"patient": 110, "doctor": 6, "receptionist": 3, "admin": 1}},
    )


class PatientProfileOut(Schema):
    date_of_birth = Day(allow_none=True, metadata={"example": "1990-04-21"})
    gender = fields.String(allow_none=True, metadata={"example": "female"})


class FoundPatientOut(Schema):
    """A patient in a list."""

    _id = Id(attribute="id", data_key="_id", required=True)
    mobile_number = fields.String(required=True, metadata={"example": "9876543210"})
    name = fields.String(required=True, metadata={"example": "Asha Verma"})
    is_active = fields.Boolean(required=True, metadata={"example": True})
    profile = fields.Nested(PatientProfileOut, required=True, dump_default={})
