"""Schemas of appointments, in and out."""

import marshmallow as ma
from marshmallow import fields
from marshmallow.validate import OneOf

from arthomed.appointments.rules import Status
from arthomed.files.rules import Category
from arthomed.files.schemas import FileOut
from arthomed.http.schema import Changes, Day, Flag, Id, Instant, PageQuery, Pattern, Schema, Text, TimeOfDay
from arthomed.users.schemas import UserOut

_STATUSES = tuple(map(str, Status))


def _reason(**kwargs: object) -> Text:
    return Text(max_length=500, multiline=True, metadata={"example": "Headache for a week"}, **kwargs)  # type: ignore[arg-type]


def _symptoms(**kwargs: object) -> Text:
    return Text(max_length=1000, multiline=True, metadata={"example": "Worse in the evening"}, **kwargs)  # type: ignore[arg-type]


def _findings(example: str, **kwargs: object) -> Text:
    return Text(max_length=5000, multiline=True, metadata={"example": example}, **kwargs)  # type: ignore[arg-type]


def _purpose(**kwargs: object) -> Text:
    return Text(max_length=100, metadata={"example": "consultation"}, **kwargs)  # type: ignore[arg-type]


class BookAppointment(Schema):
    doctor_id = Id(required=True)
    appointment_date = Day(required=True)
    appointment_time = TimeOfDay(required=True)
    purpose_of_visit = _purpose(load_default="consultation")
    reason = _reason(required=True)
    symptoms = _symptoms()


class IdempotencyHeaders(Schema):
    """The header of draft-ietf-httpapi-idempotency-key-header."""

    key = fields.String(
        data_key="Idempotency-Key",
        validate=[ma.validate.Length(8, 128), Pattern(r"^[!-~]+$", error="Must be visible ASCII.")],
        metadata={
            "example": "5f0c7a52-9c0e-4a6e-8f0b-1d2e3c4b5a69",
            "description": "Send a booking again with the same key, and it is still one booking (24 hours).",
        },
    )


class UploadToAppointment(Schema):
    appointment_id = Id(required=True)
    category = fields.String(
        required=True,
        validate=OneOf([str(Category.PRESCRIPTIONS), str(Category.REPORTS)]),
        metadata={"example": "reports"},
    )


class EditAppointment(Changes):
    """Each role may edit some of these fields (`rules.EDITABLE`)."""

    reason = _reason()
    symptoms = _symptoms(allow_none=True)
    purpose_of_visit = _purpose(allow_none=True)
    notes = _findings("Blood pressure 120/80", allow_none=True)
    prescription = _findings("Paracetamol 500 mg, twice a day", allow_none=True)


class ChangeStatus(Schema):
    status = fields.String(required=True, validate=OneOf(_STATUSES), metadata={"example": "confirmed"})
    reason = _reason()
    notes = _findings("Blood pressure 120/80")
    prescription = _findings("Paracetamol 500 mg, twice a day")

    @ma.post_load
    def to_status(self, loaded: dict[str, object], **_: object) -> dict[str, object]:
        return {**loaded, "status": Status(str(loaded["status"]))}


class CancelAppointment(Schema):
    reason = _reason()


class OwnAppointmentsQuery(PageQuery):
    status = fields.String(validate=OneOf(_STATUSES), metadata={"example": "confirmed"})
    start_date = Day()
    end_date = Day(metadata={"example": "2026-12-31"})
    when = fields.String(validate=OneOf(["upcoming", "past"]), metadata={"example": "upcoming"})


class AppointmentQuery(OwnAppointmentsQuery):
    doctor_id = Id()
    patient_id = Id()


class SetActive(Schema):
    is_active = Flag(required=True, metadata={"example": False})
    reason = _reason(required=True)


class PatientPartOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, metadata={"example": "Asha Verma"})
    mobile_number = fields.String(required=True, metadata={"example": "9876543210"})


class DoctorInfoPartOut(Schema):
    specialization = fields.String(allow_none=True, metadata={"example": "Cardiology"})
    consultation_fee = fields.Integer(metadata={"example": 500})


class DoctorPartOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    name = fields.String(required=True, metadata={"example": "Dr Meera Iyer"})
    doctor_info = fields.Nested(DoctorInfoPartOut, required=True)


class PaymentOut(Schema):
    amount = fields.Integer(required=True, metadata={"example": 500, "description": "Whole rupees."})
    status = fields.String(required=True, metadata={"example": "pending"})


class RefundOut(Schema):
    refund_amount = fields.Integer(required=True, metadata={"example": 500, "description": "Whole rupees."})
    refund_status = fields.String(required=True, metadata={"example": "pending"})
    refund_date = Instant(required=True, allow_none=True)


class CancellationOut(RefundOut):
    by = Id(required=True, allow_none=True)
    at = Instant(required=True)
    reason = fields.String(required=True, allow_none=True, metadata={"example": "I have recovered"})


class ChangeOut(Schema):
    source = fields.String(data_key="from", required=True, allow_none=True, metadata={"example": "pending"})
    target = fields.String(data_key="to", required=True, metadata={"example": "confirmed"})
    by = Id(required=True, allow_none=True, metadata={"description": "Empty when the system acted."})
    at = Instant(required=True)
    reason = fields.String(required=True, allow_none=True)


class AppointmentOut(Schema):
    _id = Id(attribute="id", data_key="_id", required=True)
    patient = fields.Nested(PatientPartOut, required=True)
    doctor = fields.Nested(DoctorPartOut, required=True)
    appointment_date = Day(required=True)
    appointment_time = TimeOfDay(required=True)
    starts_at = Instant(required=True)
    status = fields.String(required=True, metadata={"example": "pending"})
    purpose_of_visit = fields.String(required=True, allow_none=True, metadata={"example": "consultation"})
    reason = fields.String(required=True, allow_none=True, metadata={"example": "Headache for a week"})
    symptoms = fields.String(required=True, allow_none=True, metadata={"example": "Worse in the evening"})
    notes = fields.String(required=True, allow_none=True)
    prescription = fields.String(required=True, allow_none=True)
    images = fields.List(fields.Nested(FileOut), required=True)
    payment_info = fields.Nested(PaymentOut, attribute="payment", required=True)
    cancellation = fields.Nested(CancellationOut)
    history = fields.List(fields.Nested(ChangeOut), required=True)
    created_by = Id(required=True)
    created_at = Instant(required=True)
    updated_at = Instant(required=True)

    @ma.post_dump
    def without_empty_cancellation(self, dumped: dict[str, object], **_: object) -> dict[str, object]:
        if dumped.get("cancellation") is None:
            dumped.pop("cancellation", None)
        return dumped


class CancelledOut(Schema):
    appointment = fields.Nested(AppointmentOut, required=True)
    refund_info = fields.Nested(RefundOut, required=True)


class AppointmentStatsOut(Schema):
    total = fields.Integer(required=True, metadata={"example": 12})
    upcoming = fields.Integer(required=True, metadata={"example": 2})
    by_status = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata={"example": {"confirmed": 2}}
    )


class AccountOut(Schema):
    user = fields.Nested(UserOut, required=True)
    upcoming_appointments = fields.List(
        fields.Nested(AppointmentOut),
        attribute="upcoming",
        required=True,
        metadata={
            "description": "Upcoming appointments of a doctor who can no longer be booked, for the clinic to settle."
        },
    )
